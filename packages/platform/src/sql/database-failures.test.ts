import { createServer, type Server, type Socket } from 'node:net';
import { run } from '@tpc/core';
import { createServer as createMysqlServer } from 'mysql2';
import mysql from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../../../test/support/free-port.ts';
import { createTestDatabase, startMariaDb } from '../../../../test/support/mariadb.ts';
import { StartError } from '../errors.ts';
import { createLog } from '../log/log.ts';
import { whenDatabaseAnswers } from './database-failures.ts';
import { openDatabase } from './open-database.ts';

const log = createLog({ service: 'test', level: 'silent', format: 'json' });

async function firstQuery(url: string, stopping?: AbortSignal): Promise<unknown> {
  const knex = openDatabase({ url });
  try {
    return await whenDatabaseAnswers(() => run(knex, 'SELECT 1'), { setting: 'X_DATABASE_URL', url, log, stopping });
  } finally {
    await knex.destroy();
  }
}

async function lineOf(url: string): Promise<string> {
  const error = await firstQuery(url).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(StartError);
  const { message } = error as StartError;
  expect(message.split('\n')).toHaveLength(1);
  expect(message).not.toContain('secret');
  return message;
}

describe('a wrong address of a database ends the start with one line that names it', () => {
  let url: URL;
  let drop: () => Promise<void>;
  const user = `u${process.pid}`;
  const asRoot = async (sql: string) => {
    const connection = await mysql.createConnection(process.env.TEST_MYSQL_URL as string);
    await connection.query(sql).finally(() => connection.end());
  };
  beforeAll(async () => {
    const made = await createTestDatabase('own'); // To names that begin with test everyone has a right.
    url = new URL(made.url);
    drop = made.drop;
    await asRoot(`CREATE USER ${user}@'%' IDENTIFIED BY 'right'`);
  });
  afterAll(async () => {
    await asRoot(`DROP USER ${user}@'%'`);
    await drop();
  });

  it('a wrong password', async () => {
    const line = await lineOf(`mysql://${user}:secret@${url.host}${url.pathname}`);
    expect(line).toMatch(/^X_DATABASE_URL: the server refuses user or password: .*Access denied for user/);
  });

  it('a database that does not exist', async () => {
    expect(await lineOf(`mysql://root@${url.host}/no_such`)).toBe(
      'X_DATABASE_URL: there is no database no_such: CREATE DATABASE no_such CHARACTER SET utf8mb4',
    );
  });

  it('a database to which the user has no right', async () => {
    expect(await lineOf(`mysql://${user}:right@${url.host}${url.pathname}`)).toMatch(/^X_DATABASE_URL: the user has no right to database own_/);
  });

  it.each([
    ['SMTP', (socket: Socket) => socket.write('220 mail ESMTP\r\n')],
    ['Redis', (socket: Socket) => socket.on('data', (data) => String(data).startsWith('PING') && socket.write('+PONG\r\n'))],
  ])('the port of something that speaks %s', async (protocol, behave) => {
    const stranger: Server = createServer((socket) => {
      socket.on('error', () => undefined);
      behave(socket);
    });
    await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
    const { port } = stranger.address() as { port: number };
    expect(await lineOf(`mysql://root:secret@127.0.0.1:${port}/x`)).toBe(`X_DATABASE_URL: 127.0.0.1:${port} speaks ${protocol}, not MySQL`);
    stranger.close();
  });

  it('a TiDB, whose replicas would claim the same rows', async () => {
    const version = '8.0.11-TiDB-v8.5.0';
    const text = { catalog: 'def', schema: '', table: '', orgTable: '', characterSet: 45, columnLength: 80, columnType: 253, flags: 0, decimals: 0 };
    const tidb = createMysqlServer((session) => {
      session.on('error', () => undefined);
      // mysql2's server counts packets on over the commands, and each command begins with 0.
      const countAgain = () => Object.assign(session, { sequenceId: 0 });
      session.serverHandshake({
        protocolVersion: 10,
        serverVersion: version,
        connectionId: 1,
        statusFlags: 2,
        characterSet: 45,
        capabilityFlags: 0xff_ff_ff,
        authCallback: (_who: unknown, admit: (error: null) => void) => {
          admit(null);
          countAgain();
        },
      });
      session.on('query', () => {
        const columns = ['Variable_name', 'Value'].map((name) => ({ ...text, name, orgName: name }));
        session.writeTextResult([{ Variable_name: 'version', Value: version }], columns);
        countAgain();
      });
    });
    const port = await freePort();
    tidb.listen(port);
    expect(await lineOf(`mysql://root:secret@127.0.0.1:${port}/tpc`)).toBe(
      `X_DATABASE_URL: ${version} is TiDB, which ignores SKIP LOCKED, so two replicas would take the same messages: use MySQL or MariaDB`,
    );
    await new Promise<void>((resolve) => tidb.close(() => resolve()));
  });
});

describe('a database that is away', () => {
  it('is waited for, and found once it is there', async () => {
    const server = await startMariaDb();
    const { port } = new URL(server.url);
    await server.stop();
    const found = firstQuery(`mysql://root@127.0.0.1:${port}/mysql`);
    const again = await startMariaDb(Number(port));
    expect(await found).toMatchObject({ rows: [{ 1: 1 }] });
    await again.stop();
  });

  it('is not waited for any longer when the service is told to stop', async () => {
    const stopping = new AbortController();
    const waiting = firstQuery(`mysql://root@127.0.0.1:${await freePort()}/x`, stopping.signal);
    stopping.abort();
    await expect(waiting).rejects.toBe(stopping.signal.reason);
  });
});
