import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import * as limits from './limits.ts';

const PAGE = new URL('../../../../docs/protocol.md', import.meta.url);
const BEGIN = '<!-- limits: begin -->\n';
const END = '<!-- limits: end -->';

const kib = (bytes: number) => (bytes >= 1024 * 1024 ? `${bytes / 1024 / 1024} MiB` : `${bytes / 1024} KiB`);
const count = (value: number) => value.toLocaleString('en-US');

/** The table of the page, made from the code. */
function tableOfLimits(): string {
  const rows: [string, string][] = [
    ['topic, tag, group, store id, instance id, name of a header, code of a failure', `${limits.MAX_NAME_LENGTH} characters`],
    ['message key', `${limits.MAX_KEY_LENGTH} characters; as stored up to ${limits.MAX_STORED_KEY_LENGTH}`],
    ['content type', `${limits.MAX_CONTENT_TYPE_LENGTH} characters of printable ASCII`],
    ['headers', `${limits.MAX_HEADERS}; names and values together ${kib(limits.MAX_HEADERS_BYTES)} of UTF-8`],
    ['body', `1 byte to ${kib(limits.DEFAULT_MAX_BODY_BYTES)}; an operator can set another limit`],
    ['batch of messages, keys or verdicts', `${count(limits.MAX_BATCH)}; bodies together ${kib(limits.MAX_BATCH_BYTES)}`],
    ['batch of reports', count(limits.MAX_REPORTS)],
    ['request', kib(limits.MAX_REQUEST_BYTES)],
    ['traceparent, tracestate', `${limits.MAX_TRACEPARENT_LENGTH} and ${limits.MAX_TRACESTATE_LENGTH} characters of printable ASCII`],
    ['generation', `1 to ${count(limits.MAX_GENERATION)}`],
  ];
  return ['| what | at most |', '|---|---|', ...rows.map((row) => `| ${row.join(' | ')} |`), ''].join('\n');
}

it('docs/protocol.md shows the limits that hold', () => {
  const page = readFileSync(PAGE, 'utf8');
  expect(page.slice(page.indexOf(BEGIN) + BEGIN.length, page.indexOf(END))).toBe(tableOfLimits());
});
