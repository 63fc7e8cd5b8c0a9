import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mysql from 'mysql2/promise';
import { freePort } from './free-port.ts';

export type MariaDb = {
  /** Address with a user that may make databases, for example mysql://root@127.0.0.1:3310. */
  url: string;
  /** Process id of the server, for tests that kill or freeze it. */
  pid: number;
  stop(): Promise<void>;
};

const MARIADBD = '/usr/sbin/mariadbd';
const START_DEADLINE_MS = 60_000;

/** Installs MariaDB where apt is there and may install. Throws with a line that says what is missing. */
export function ensureMariaDb(): void {
  if (existsSync(MARIADBD)) return;
  try {
    console.log('installing mariadb-server (apt) …');
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    execFileSync('apt-get', ['update', '-qq'], { stdio: 'ignore', env });
    execFileSync('apt-get', ['install', '-y', '-qq', 'mariadb-server'], { stdio: 'ignore', env });
  } catch (cause) {
    throw new Error('MariaDB is needed by the tests: install mariadb-server, or set TEST_MYSQL_URL to a server that may be used.', { cause });
  }
}

/**
 * Starts a MariaDB of its own on loopback, in a folder of its own; on a free port, where none is named.
 * @param more further arguments of the server
 */
export async function startMariaDb(wantedPort?: number, more: readonly string[] = []): Promise<MariaDb> {
  ensureMariaDb();
  const dir = mkdtempSync(join(tmpdir(), 'tpc-mariadb-'));
  const user = process.getuid?.() === 0 ? ['--user=mysql'] : [];
  if (user.length > 0) execFileSync('chown', ['mysql', dir]);
  execFileSync('mysql_install_db', ['--no-defaults', ...user, `--datadir=${dir}/data`, '--auth-root-authentication-method=normal'], {
    stdio: 'ignore',
  });
  const port = wantedPort ?? (await freePort());
  const child = spawn(
    MARIADBD,
    [
      '--no-defaults',
      ...user,
      `--datadir=${dir}/data`,
      `--socket=${dir}/s.sock`,
      `--port=${port}`,
      '--bind-address=127.0.0.1',
      '--innodb-buffer-pool-size=256M',
      '--max-connections=400',
      '--skip-name-resolve',
      ...more,
    ],
    { stdio: 'ignore' },
  );
  const url = `mysql://root@127.0.0.1:${port}`;
  await waitUntilReady(url, child);
  return {
    url,
    pid: child.pid as number,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        const exited = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGTERM');
        await exited;
      }
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function waitUntilReady(url: string, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + START_DEADLINE_MS;
  for (;;) {
    try {
      const connection = await mysql.createConnection(url);
      await connection.end();
      return;
    } catch (cause) {
      if (child.exitCode !== null || Date.now() > deadline) throw new Error('MariaDB did not start', { cause });
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/** Makes an empty database on the tests' MariaDB and answers with its address. */
export async function createTestDatabase(prefix = 'test'): Promise<{ url: string; drop(): Promise<void> }> {
  const base = process.env.TEST_MYSQL_URL;
  if (!base) throw new Error('TEST_MYSQL_URL is not set: run the tests by npm test, whose global set-up starts a MariaDB.');
  const name = `${prefix}_${process.pid}_${Math.random().toString(36).slice(2, 10)}`;
  await statement(base, `CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
  return { url: `${base.replace(/\/$/, '')}/${name}`, drop: () => statement(base, `DROP DATABASE IF EXISTS ${name}`) };
}

async function statement(url: string, sql: string): Promise<void> {
  const connection = await mysql.createConnection(url);
  try {
    await connection.query(sql);
  } finally {
    await connection.end();
  }
}
