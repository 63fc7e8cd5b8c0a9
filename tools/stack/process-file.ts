import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * A process as its pid file remembers it. A pid alone is no identity: after its process has ended, the system gives the number to another. Boot and
 * start time make it one, so that `down` can never end a stranger.
 */
export type ProcessRecord = { pid: number; startTime: string; ports: number[] };

/** What tells this run of a process from every other with its pid; undefined when there is none, or only a zombie. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the program's name in brackets and may hold anything; state and start time are counted after it (proc(5)).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()}/${fields[19]}`;
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as { code?: string }).code ?? '')) return undefined;
    throw error;
  }
}

/** Notes a process that has just been started. */
export function writeRecord(file: string, pid: number, ports: number[]): void {
  const startTime = startTimeOf(pid);
  if (startTime === undefined) return; // It has ended already; whoever waits for it finds that out.
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.new`, JSON.stringify({ pid, startTime, ports } satisfies ProcessRecord));
  renameSync(`${file}.new`, file);
}

/** The process of this pid file, when it runs. */
export function livingProcess(file: string): ProcessRecord | undefined {
  let record: ProcessRecord;
  try {
    record = JSON.parse(readFileSync(file, 'utf8')) as ProcessRecord;
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined;
    throw error;
  }
  return isAlive(record) ? record : undefined;
}

export function isAlive({ pid, startTime }: ProcessRecord): boolean {
  return startTimeOf(pid) === startTime;
}

/** Sends a signal to the process of the record, and to no other. */
export function signalProcess(record: ProcessRecord, signal: NodeJS.Signals): void {
  if (!isAlive(record)) return;
  try {
    process.kill(record.pid, signal);
  } catch (error) {
    if ((error as { code?: string }).code !== 'ESRCH') throw error;
  }
}

export function forgetProcess(file: string): void {
  rmSync(file, { force: true });
}
