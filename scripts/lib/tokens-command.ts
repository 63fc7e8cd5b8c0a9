/** The commands of npm run tokens, apart from the process: what they say goes to `out`. */

import { parseTokensFile, ROLES, type Role, type TokenEntry } from '@tpc/platform';
import { parseArguments } from './parse-arguments.ts';
import { describeEntry, idOf, newToken, readTokensFile, updateTokensFile } from './tokens-file.ts';

const DEFAULT_FILE = 'data/tokens.json';

const HELP = `npm run tokens: who may call TPC, UAC and OPC.

  npm run -s tokens -- new --producer GROUP               token of a producer group
  npm run -s tokens -- new --consumer GROUP               token of a consumer group
  npm run -s tokens -- new --operator NAME --role ROLE    token of an operator; roles: ${ROLES.join(' (lists and gets), ')} (also acts)
  npm run -s tokens -- new --service NAME                 token of a program that calls UAC or OPC, for example a front end
  npm run -s tokens -- list                               whose tokens there are
  npm run -s tokens -- remove ID                          takes one away; calls that it came with end within a second

  --expires TIME      for new: until when it is good: 2027-01-31, 2027-01-31T12:00:00Z, or days from now: 90d
  --subject SUBJECT   for new: no token, but whoever has the client certificate of this subject: CN=uac, URI=spiffe://house/uac
  --file FILE         the tokens file; default: TPC_TOKENS_FILE, else ${DEFAULT_FILE}

A new token is printed once, alone, on standard output; the file keeps only its hash. Several tokens of a group are good at once: to rotate one, make a
new one, give it to the group, then remove the old one. Point TPC_TOKENS_FILE, UAC_TOKENS_FILE and OPC_TOKENS_FILE at the file (docs/security.md).`;

/** Where the lines go: `print` is what a script reads, `tell` is for people. */
export type Output = { print(line: string): void; tell(line: string): void };

type Job = Output & { values: Values; file: string };
type Values = ReturnType<typeof readArguments>['values'];

/**
 * Runs one command.
 * @param args what stands behind `npm run tokens --`
 * @param defaultFile value of TPC_TOKENS_FILE
 * @throws Error with one line that says what is wrong; nothing is changed then
 */
export function runTokens(args: readonly string[], defaultFile: string | undefined, output: Output): void {
  const { values, positionals } = readArguments(args);
  const job: Job = { ...output, values, file: values.file ?? (defaultFile || DEFAULT_FILE) };
  const [command, ...rest] = positionals;
  if (values.help || command === undefined) output.print(HELP);
  else if (command === 'new' && rest.length === 0) add(job);
  else if (command === 'list' && rest.length === 0) list(job);
  else if (command === 'remove' && rest.length === 1) remove(job, rest[0] as string);
  else throw new Error(`cannot read "${positionals.join(' ')}"; npm run tokens -- --help lists the commands`);
}

function readArguments(args: readonly string[]) {
  return parseArguments({
    args: [...args],
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      producer: { type: 'string' },
      consumer: { type: 'string' },
      operator: { type: 'string' },
      service: { type: 'string' },
      role: { type: 'string' },
      expires: { type: 'string' },
      subject: { type: 'string' },
      file: { type: 'string' },
    },
  });
}

function add({ values, file, print, tell }: Job): void {
  const who = whoIsMeant(values);
  const more = { created: new Date().toISOString(), ...(values.expires === undefined ? {} : { expires: readTime(values.expires) }) };
  if (values.subject !== undefined) {
    const entry = { ...who, subject: values.subject, ...more } as TokenEntry;
    addEntry(file, entry);
    tell(`${file}: whoever has the certificate of ${values.subject} is now ${describeEntry(entry)}`);
    return;
  }
  const { token, sha256 } = newToken();
  const entry = { ...who, sha256, ...more } as TokenEntry;
  addEntry(file, entry);
  tell(`${file}: added ${describeEntry(entry)}, id ${idOf(entry)}. The token is shown only now:`);
  print(token);
}

/** What is wrong with the entry itself is told by the option that it came from. */
function addEntry(file: string, entry: TokenEntry): void {
  try {
    parseTokensFile(JSON.stringify({ entries: [entry] }));
  } catch (cause) {
    throw new Error((cause as Error).message.replace(/^entry 1: (group|name): /, `--${entry.kind}: `).replace(/^entry 1: (\w+): /, '--$1: '), {
      cause,
    });
  }
  updateTokensFile(file, (entries) => [...entries, entry]);
}

/** Exactly one of the four. */
function whoIsMeant({ producer, consumer, operator, service, role }: Values): object {
  const given = [
    producer === undefined ? [] : [{ kind: 'producer', group: producer }],
    consumer === undefined ? [] : [{ kind: 'consumer', group: consumer }],
    operator === undefined ? [] : [{ kind: 'operator', name: operator, role: readRole(role) }],
    service === undefined ? [] : [{ kind: 'service', name: service }],
  ].flat();
  const [who, another] = given;
  if (!who || another) throw new Error('name one of --producer, --consumer, --operator and --service');
  if (role !== undefined && operator === undefined) throw new Error('--role goes with --operator');
  return who;
}

function readRole(text: string | undefined): Role {
  const role = ROLES.find((known) => known === text);
  if (!role) throw new Error(`--role: expected ${ROLES.join(' or ')}`);
  return role;
}

function readTime(text: string): string {
  const days = /^(\d{1,4})d$/.exec(text)?.[1];
  const at = days === undefined ? new Date(text) : new Date(Date.now() + Number(days) * 86_400_000);
  if (Number.isNaN(at.getTime())) throw new Error('--expires: expected 2027-01-31, 2027-01-31T12:00:00Z or 90d');
  return at.toISOString();
}

function list({ file, print, tell }: Job): void {
  const entries = readTokensFile(file);
  if (entries.length === 0) tell(`${file} has no entry: nobody may call`);
  for (const entry of entries) print(`${idOf(entry)}  ${describeEntry(entry)}`);
}

function remove({ file, tell }: Job, id: string): void {
  let gone: TokenEntry | undefined;
  updateTokensFile(file, (entries) => {
    gone = entries.find((entry) => idOf(entry) === id);
    if (!gone) throw new Error(`${file} has no entry with id ${id}; npm run tokens -- list shows them`);
    return entries.filter((entry) => entry !== gone);
  });
  tell(`${file}: removed ${describeEntry(gone as TokenEntry)}`);
}
