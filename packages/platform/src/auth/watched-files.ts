import { readFileSync } from 'node:fs';
import { StartError } from '../errors.ts';
import type { Log } from '../log/log.ts';

/** A setting and the file that it names. */
export type NamedFile = { setting: string; path: string };

export type WatchedFilesOptions<T> = {
  files: readonly NamedFile[];
  /** Makes a value of the files' texts, in their order. An error keeps the value before. */
  parse: (texts: readonly string[]) => T;
  onChange: (value: T) => void;
  log: Log;
};

export type WatchedFiles<T> = {
  /** What was read at first. */
  readonly first: T;
  /** Reads again; when the texts have changed, tells the new value, or logs why it cannot be used. */
  check(): void;
};

/**
 * Files that may be replaced while the service runs. They are read again rather than watched: that also sees what a mount or a symbolic link brings (a
 * secret of Kubernetes), on every system. What cannot be read or used changes nothing, and is said once.
 * @throws StartError naming the setting, when they cannot be used at first
 */
export function watchFiles<T>({ files, parse, onChange, log }: WatchedFilesOptions<T>): WatchedFiles<T> {
  const settings = files.map(({ setting }) => setting).join(', ');
  let seen = readAll(files);
  if (typeof seen === 'string') throw new StartError(seen);
  const first = parseFirst(parse, seen, settings);
  return {
    first,
    check() {
      const now = readAll(files);
      if (same(now, seen)) return;
      seen = now;
      if (typeof now === 'string') return log.error({ problem: now }, 'file not read again; what it said before holds');
      try {
        onChange(parse(now));
        log.info({ settings }, 'files read again');
      } catch (error) {
        log.error({ problem: `${settings}: ${(error as Error).message}` }, 'file not taken; what it said before holds');
      }
    },
  };
}

function parseFirst<T>(parse: (texts: readonly string[]) => T, texts: readonly string[], settings: string): T {
  try {
    return parse(texts);
  } catch (cause) {
    throw new StartError(`${settings}: ${(cause as Error).message}`, { cause });
  }
}

/** The texts, or what is wrong with the first file that cannot be read. */
function readAll(files: readonly NamedFile[]): readonly string[] | string {
  const texts: string[] = [];
  for (const { setting, path } of files) {
    try {
      texts.push(readFileSync(path, 'utf8'));
    } catch (error) {
      return `${setting}: cannot read ${path}: ${(error as NodeJS.ErrnoException).code ?? 'unknown'}`;
    }
  }
  return texts;
}

function same(a: readonly string[] | string, b: readonly string[] | string): boolean {
  if (typeof a === 'string' || typeof b === 'string') return a === b;
  return a.every((text, index) => text === b[index]);
}
