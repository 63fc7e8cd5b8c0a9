/**
 * npm run docs: makes docs/errors.md and docs/configuration.md from the code. `--check` fails when the committed ones differ.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { status } from '@grpc/grpc-js';
import { AUTH_REASONS, type ConfigSchema, describeConfig } from '@tpc/platform';
import { configSchema as opcConfig } from '../services/opc/src/config.ts';
import { REASONS as opcReasons } from '../services/opc/src/domain/reasons.ts';
import { configSchema as tpcConfig } from '../services/tpc/src/config.ts';
import { REASONS as tpcReasons } from '../services/tpc/src/domain/reasons.ts';
import { configSchema as uacConfig } from '../services/uac/src/config.ts';
import { CODES as uacCodes } from '../services/uac/src/domain/codes.ts';
import { refuse as refuseUac } from '../services/uac/src/flows/refusal.ts';
import { OF_COPIES, OF_MESSAGES, OF_WAITS } from './lib/dead-reasons.ts';

type ReasonRow = { code: string; status: string; message: string; action: string };

/** Add a service here to have its settings in docs/configuration.md. */
const CONFIGURATIONS: readonly { title: string; command: string; schema: ConfigSchema }[] = [
  { title: 'TPC', command: 'npm run start:tpc', schema: tpcConfig },
  { title: 'UAC', command: 'npm run start:uac', schema: uacConfig },
  { title: 'OPC', command: 'npm run start:opc', schema: opcConfig },
];

/** Add a service here to have its errors in docs/errors.md. */
const ERRORS: readonly { title: string; domain: string; reasons: Readonly<Record<string, ReasonRow>> }[] = [
  { title: 'TPC', domain: 'tpc', reasons: tpcReasons },
  { title: 'UAC', domain: 'uac', reasons: uacReasons() },
  { title: 'OPC', domain: 'opc', reasons: opcReasons },
];

/** Answers that every gRPC server of the product can give (packages/platform). */
const COMMON_REASONS: Readonly<Record<string, ReasonRow>> = {
  MALFORMED_REQUEST: {
    code: 'MALFORMED_REQUEST',
    status: 'INVALID_ARGUMENT',
    message: 'The request is not a valid message of its type.',
    action: 'Generate the client from the .proto files again.',
  },
  REQUEST_TOO_LARGE: {
    code: 'REQUEST_TOO_LARGE',
    status: 'INVALID_ARGUMENT',
    message:
      'The request has {size} bytes; at most {limit} are taken: 4 MiB by ReliableMessageService, 256 KiB by the other services, 4 KiB by reflection, 1 KiB by health.',
    action: 'Send smaller batches; no repetition helps.',
  },
  TOO_MANY_STREAMS: {
    code: 'TOO_MANY_STREAMS',
    status: 'RESOURCE_EXHAUSTED',
    message: '{limit} calls of this method are open already; no more are taken at once.',
    action: 'Close streams that nobody reads any more, and try again later.',
  },
  HEALTH_NAME_UNKNOWN: {
    code: 'HEALTH_NAME_UNKNOWN',
    status: 'NOT_FOUND',
    message: 'No health is known of "{name}".',
    action: 'grpc.health.v1.Health/List tells the names that there are.',
  },
  ...AUTH_REASONS,
  LOG_PART_NOT_FOUND: {
    code: 'LOG_PART_NOT_FOUND',
    status: 'NOT_FOUND',
    message: 'No part {part} logs here; there are {known}.',
    action: 'Name one of them, or none for all (ops.v1.LogService).',
  },
  LOG_REQUEST_INVALID: {
    code: 'LOG_REQUEST_INVALID',
    status: 'INVALID_ARGUMENT',
    message: 'A level that is none, or a time that is not above 0 and at most a day.',
    action: 'Correct the field.',
  },
  INTERNAL: {
    code: 'INTERNAL',
    status: 'INTERNAL',
    message: 'An unexpected error; the server has logged it.',
    action: "Look into the server's log; tell us.",
  },
};

/** UAC's codes as rows; over HTTP the number alone stands in the envelope. */
function uacReasons(): Record<string, ReasonRow> {
  const rows = Object.keys(uacCodes).map((code) => {
    const error = refuseUac(code as keyof typeof uacCodes);
    return [error.reasonName, { code, status: status[error.status], message: error.message, action: 'Tell the person.' }];
  });
  return Object.fromEntries(rows);
}

const MADE = '<!-- Made by npm run docs. Do not edit. -->\n';

function errorsPage(): string {
  const sections = [{ title: 'Every service', domain: 'that of the service', reasons: COMMON_REASONS }, ...ERRORS];
  return [
    MADE,
    '# Errors\n',
    'Every error carries a gRPC status and, in its details, `google.rpc.ErrorInfo` with `reason` (the code: never changes), `domain` and `metadata`;',
    '`metadata.name` is the name where it differs from the code, and the variables of the message stand beside it. Bad fields come as',
    '`google.rpc.BadRequest`; where trying again can help, `google.rpc.RetryInfo` says after how long. Messages are for people and may change.',
    'Status *reported*: no call is answered with it; it is the reason of a message that a consumer group finally failed to handle.\n',
    ...sections.flatMap(({ title, domain, reasons }) => [
      `## ${title}\n`,
      `Domain: ${title === 'Every service' ? domain : `\`${domain}\``}\n`,
      table(
        ['Code', 'Name', 'Status', 'Message', 'What to do'],
        Object.entries(reasons).map(([name, reason]) => [`\`${reason.code}\``, name, reason.status, reason.message, reason.action]),
      ),
    ]),
    '## Why a message is dead\n',
    '`reason` of a message that is dead or needs attention, as ListMessages and GetMessage show it. None of these is an answer to a call. Acts are RPCs of `tpc.v1.MessageAdminService`.\n',
    wordsTable(OF_MESSAGES),
    '## Why a message waits\n',
    '`reason` of a message that is SENDING and needs attention, and of the copy of the group.\n',
    wordsTable(OF_WAITS),
    "## Why a group's copy is dead\n",
    'The reason of a copy under a message, as GetMessage shows it: those that the client library gives. A handler or another client may give its own; those of',
    'OPC stand above with the status *reported*.\n',
    wordsTable(OF_COPIES),
  ].join('\n');
}

function wordsTable(rows: Readonly<Record<string, { meaning: string; action: string }>>): string {
  return table(
    ['Reason', 'What has happened', 'What to do'],
    Object.entries(rows).map(([reason, { meaning, action }]) => [`\`${reason}\``, meaning, action]),
  );
}

function configurationPage(): string {
  return [
    MADE,
    '# Configuration\n',
    'Settings are environment variables, read once at start. An empty value counts as absent. A bad value stops the start with a line that names it.',
    'A secret may stand in a file instead, as Kubernetes and others mount them: where *or `X_FILE`* stands, that variable names the file; one line break',
    'at its end is not part of the value. Secrets are read at start, too, except those of which it says that they are read again.\n',
    ...CONFIGURATIONS.flatMap(({ title, command, schema }) => [
      `## ${title}\n`,
      `Alone: \`${command}\`.\n`,
      table(
        ['Variable', 'Default', 'Meaning'],
        describeConfig(schema).map(({ key, defaultValue, description, fileKey }) => [
          `\`${key}\`${fileKey ? ` or \`${fileKey}\`` : ''}`,
          defaultValue === '' ? '(empty)' : `\`${defaultValue}\``,
          description,
        ]),
      ),
    ]),
  ].join('\n');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return `${[line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')}\n`;
}

function currentText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // Not made yet: as good as empty.
    return '';
  }
}

const pages: [file: string, text: string][] = [
  ['docs/errors.md', errorsPage()],
  ['docs/configuration.md', configurationPage()],
];
if (process.argv.includes('--check')) {
  const stale = pages.filter(([file, text]) => currentText(file) !== text).map(([file]) => file);
  if (stale.length > 0) console.error(`stale: ${stale.join(', ')}: run npm run docs and commit`);
  else console.log('docs/errors.md and docs/configuration.md are fresh');
  process.exitCode = stale.length > 0 ? 1 : 0;
} else {
  mkdirSync('docs', { recursive: true });
  for (const [file, text] of pages) writeFileSync(file, text);
  console.log(`made ${pages.map(([file]) => file).join(', ')}`);
}
