import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { hashToken, parseTokensFile, type TokenEntry } from '@tpc/platform';

/** As many random bits as the hash has. */
const TOKEN_BYTES = 32;
/** Letters of an id: enough to tell tokens of one file apart. */
const ID_LENGTH = 12;

/** A new token, and what is kept of it. The prefix lets scanners of leaked secrets know it. */
export function newToken(): { token: string; sha256: string } {
  const token = `tpc_${randomBytes(TOKEN_BYTES).toString('base64url')}`;
  return { token, sha256: hashToken(token).toString('hex') };
}

/** By what an entry is named in commands: the beginning of its hash, or its subject. */
export function idOf(entry: TokenEntry): string {
  return entry.sha256?.toLowerCase().slice(0, ID_LENGTH) ?? (entry.subject as string);
}

/** An entry in a few words. */
export function describeEntry(entry: TokenEntry): string {
  const who = 'group' in entry ? `${entry.kind} ${entry.group}` : entry.kind === 'operator' ? `${entry.role} ${entry.name}` : `service ${entry.name}`;
  const until = entry.expires === undefined ? '' : `, until ${entry.expires}${Date.parse(entry.expires) <= Date.now() ? ' (over)' : ''}`;
  return `${who}${until}`;
}

/** The entries of a file; none where it is not there yet. @throws Error naming the file when it is not right */
export function readTokensFile(file: string): TokenEntry[] {
  if (!existsSync(file)) return [];
  try {
    return parseTokensFile(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new Error(`${file}: ${(cause as Error).message}`, { cause });
  }
}

/**
 * Changes a tokens file: readers see it as it was or as it becomes, and of two changes at once one is refused.
 * @throws Error when the file or what it would become is not right; it then stays as it is
 */
export function updateTokensFile(file: string, change: (entries: TokenEntry[]) => TokenEntry[]): void {
  mkdirSync(dirname(file), { recursive: true });
  const next = `${file}.new`;
  claim(next);
  try {
    const text = `${JSON.stringify({ entries: change(readTokensFile(file)) }, undefined, 2)}\n`;
    parseTokensFile(text);
    writeFileSync(next, text);
    renameSync(next, file);
  } catch (error) {
    rmSync(next, { force: true });
    throw error;
  }
}

/** The hashes open nothing, but who may do what is nobody else's business. */
const OWNER_ONLY = 0o600;

function claim(next: string): void {
  try {
    writeFileSync(next, '', { flag: 'wx', mode: OWNER_ONLY });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    throw new Error(`${next} is there: another change is under way; remove it if none is`, { cause });
  }
}
