/** Looks whether the ports that a program wants are free, before any part of it starts. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { StartError } from '@tpc/platform';

export type WantedPort = {
  /** Name of the port's setting. */
  setting: string;
  host: string;
  /** 0: the system chooses, so there is nothing to look at. */
  port: number;
};

/** How far above a taken port another one is looked for. */
const SEARCH_UP_TO = 100;

/**
 * @param command what was called, for the advice: `npm start`
 * @throws StartError naming each setting whose port cannot be had, who holds it, and a command that goes round it
 */
export async function assertPortsFree(wanted: readonly WantedPort[], command: string): Promise<void> {
  const chosen = wanted.filter(({ port }) => port !== 0);
  const lines: string[] = [];
  const otherwise: string[] = [];
  const spokenFor = new Set(chosen.map(({ port }) => port));
  for (const [index, one] of chosen.entries()) {
    const twin = chosen.slice(0, index).find(({ port }) => port === one.port);
    const trouble = twin ? `${twin.setting} is the same port` : await whyNot(one);
    if (trouble === undefined) continue;
    lines.push(`${one.setting}=${one.port}: ${trouble}`);
    const other = await freePortAbove(one, spokenFor);
    spokenFor.add(other);
    otherwise.push(`${one.setting}=${other}`);
  }
  if (lines.length > 0) throw new StartError(`${lines.join('; ')}. Stop what holds it, or call: ${otherwise.join(' ')} ${command}`);
}

async function whyNot({ host, port }: WantedPort): Promise<string | undefined> {
  const error = await listenError(host, port);
  if (error === undefined) return undefined;
  if (error.code !== 'EADDRINUSE') return error.message;
  const holder = holderOf(port);
  return holder === undefined ? 'the port is taken' : `the port is taken by ${holder}`;
}

/** @param not ports that somebody else wants */
async function freePortAbove({ host, port }: WantedPort, not: ReadonlySet<number>): Promise<number> {
  for (let other = port + 1; other <= Math.min(port + SEARCH_UP_TO, 65_535); other++) {
    if (!not.has(other) && (await listenError(host, other)) === undefined) return other;
  }
  return 0;
}

function listenError(host: string, port: number): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

/** State LISTEN in /proc/net/tcp. */
const LISTEN = '0A';

/** `node (process 123)`, where the system tells: on Linux, and for processes of the same user. */
function holderOf(port: number): string | undefined {
  try {
    const sockets = new Set(['/proc/net/tcp', '/proc/net/tcp6'].flatMap((table) => listeningInodes(table, port)).map((inode) => `socket:[${inode}]`));
    const pid = readdirSync('/proc').find((name) => /^\d+$/.test(name) && holds(name, sockets));
    return pid === undefined ? undefined : `${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()} (process ${pid})`;
  } catch {
    return undefined; // No such tables here.
  }
}

function listeningInodes(table: string, port: number): string[] {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const rows = readFileSync(table, 'utf8').split('\n').slice(1);
  return rows
    .map((row) => row.trim().split(/\s+/))
    .flatMap(([, local, , state, , , , , , inode]) => (local?.endsWith(`:${hex}`) && state === LISTEN && inode ? [inode] : []));
}

function holds(pid: string, sockets: ReadonlySet<string>): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => sockets.has(linkOf(`/proc/${pid}/fd/${fd}`)));
  } catch {
    return false; // Another user's process, or one that has just ended.
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
