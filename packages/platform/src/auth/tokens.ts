import { createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { type Caller, ROLES } from './caller.ts';

/** The tokens file knows no token, only what it takes to recognize one. A token has 256 random bits, so a plain hash is enough. */
export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token, 'utf8').digest();
}

const group = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'expected 1 to 64 characters of [A-Za-z0-9_-]');
const name = z.string().regex(/^[\w.@-]{1,64}$/, 'expected 1 to 64 characters of letters, digits and _ . @ -');

/** By what a caller is recognized, and until when. */
const credentials = {
  /** SHA-256 of the token, 64 hex digits. */
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/i, 'expected 64 hex digits')
    .optional(),
  /** Subject of a client certificate: `CN=<common name>` or `URI=<URI of the subject alternative name>`. */
  subject: z
    .string()
    .regex(/^(CN|URI)=\S.*$/, 'expected CN=… or URI=…')
    .optional(),
  /** From then on it is refused. */
  expires: z.iso.datetime({ offset: true, message: 'expected a time such as 2027-01-31T00:00:00Z' }).optional(),
  /** When it was made; for people. */
  created: z.string().optional(),
};

const entrySchema = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('producer'), group, ...credentials }),
    z.strictObject({ kind: z.literal('consumer'), group, ...credentials }),
    z.strictObject({ kind: z.literal('operator'), name, role: z.enum(ROLES), ...credentials }),
    z.strictObject({ kind: z.literal('service'), name, ...credentials }),
  ])
  .refine((entry) => (entry.sha256 === undefined) !== (entry.subject === undefined), 'expected either sha256 or subject');

const fileSchema = z.strictObject({ entries: z.array(entrySchema) });

/** One line of the tokens file. */
export type TokenEntry = z.output<typeof entrySchema>;

/**
 * Reads the text of a tokens file. The text is never part of the error.
 * @throws Error saying which entry is wrong, and how
 */
export function parseTokensFile(text: string): TokenEntry[] {
  const result = fileSchema.safeParse(parseJson(text));
  if (!result.success) throw new Error(result.error.issues.map(describeIssue).join('; '));
  const { entries } = result.data;
  const credentials = entries.map((entry) => entry.sha256?.toLowerCase() ?? entry.subject);
  const twice = credentials.findIndex((value, index) => credentials.indexOf(value) !== index);
  if (twice >= 0) throw new Error(`entry ${twice + 1}: the same token or subject stands in an entry before`);
  return entries;
}

/** Entries are counted as people count: the first one is entry 1. */
function describeIssue({ path, message, code, input }: z.core.$ZodIssue): string {
  const [list, index, ...field] = path;
  const where = list === 'entries' && typeof index === 'number' ? [`entry ${index + 1}`, ...field.map(String)] : path.map(String);
  const missing = code === 'invalid_type' && (input === undefined || message.endsWith('received undefined'));
  return `${where.join(': ') || 'the file'}: ${missing ? 'it is missing' : message}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message quotes the text.
    throw new Error('not JSON');
  }
}

/** Who an entry is. */
export function callerOf(entry: TokenEntry): Caller {
  if (entry.kind === 'operator') return { kind: entry.kind, name: entry.name, role: entry.role };
  if (entry.kind === 'service') return { kind: entry.kind, name: entry.name };
  return { kind: entry.kind, group: entry.group };
}

export type KnownEntry = { caller: Caller; expiresAt: number; expires: string };

/** Looks up callers by what they present. */
export type TokenTable = {
  /** Takes the same time whichever entry it is, and whether it is one. */
  byHash(hash: Buffer): KnownEntry | undefined;
  /** The first of the subjects that has an entry. */
  bySubject(subjects: readonly string[]): KnownEntry | undefined;
  readonly size: number;
};

export function createTokenTable(entries: readonly TokenEntry[]): TokenTable {
  const known = (entry: TokenEntry): KnownEntry => ({
    caller: callerOf(entry),
    expiresAt: entry.expires === undefined ? Number.POSITIVE_INFINITY : Date.parse(entry.expires),
    expires: entry.expires ?? '',
  });
  const hashes = entries.flatMap((entry) => (entry.sha256 === undefined ? [] : [{ hash: Buffer.from(entry.sha256, 'hex'), entry: known(entry) }]));
  const subjects = new Map(entries.flatMap((entry) => (entry.subject === undefined ? [] : [[entry.subject, known(entry)] as const])));
  return {
    byHash(hash) {
      let found: KnownEntry | undefined;
      for (const candidate of hashes) if (timingSafeEqual(candidate.hash, hash)) found = candidate.entry;
      return found;
    },
    bySubject: (given) => given.map((subject) => subjects.get(subject)).find((entry) => entry !== undefined),
    size: entries.length,
  };
}
