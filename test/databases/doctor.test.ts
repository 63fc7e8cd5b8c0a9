import { createConsumer } from '@tpc/client/consumer';
import { connectTpc, createProducer, migrateClientStore } from '@tpc/client/producer';
import { MemoryBroker } from '@tpc/client/testing';
import { databaseFindings, run } from '@tpc/core';
import { createLog, openDatabase, prepareDatabase, StartError } from '@tpc/platform';
import knexFactory, { type Knex } from 'knex';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { runDoctor } from '../../scripts/lib/doctor-command.ts';
import { type SetServer, startSetServer, teamPool } from './support.ts';

const MIB = 1024 * 1024;

describe('a look at databases', () => {
  let server: SetServer;
  let url: string;
  beforeAll(async () => {
    server = await startSetServer('--log-bin', '--server-id=1');
    url = await server.database('team');
    const knex = teamPool(url);
    await migrateClientStore(knex);
    await knex.destroy();
  });
  afterEach(() =>
    server.admin(
      `SET GLOBAL max_allowed_packet = ${16 * MIB}`,
      'SET GLOBAL binlog_format = MIXED',
      "SET GLOBAL sql_mode = 'STRICT_TRANS_TABLES'",
      'SET GLOBAL sync_binlog = 1',
    ),
  );
  afterAll(() => server.stop());

  const doctor = async (env: NodeJS.ProcessEnv, ...args: string[]) => {
    const lines: string[] = [];
    const well = await runDoctor(args, env, (line) => lines.push(line));
    return { well, lines };
  };
  const at = () => `${new URL(url).host}/team`;

  it('names every setting that is wrong, for services and for teams, and whether TPC works all the same', async () => {
    await server.admin('SET GLOBAL sync_binlog = 1');
    expect(await doctor({ TPC_DATABASE_URL: url, DATABASE_URL: url })).toEqual({ well: true, lines: ['TPC_DATABASE_URL: ok', 'DATABASE_URL: ok'] });
    await server.admin(
      "SET GLOBAL sql_mode = 'STRICT_TRANS_TABLES,NO_BACKSLASH_ESCAPES'",
      `SET GLOBAL max_allowed_packet = ${MIB}`,
      'SET GLOBAL sync_binlog = 0',
    );
    const packet = 'max_allowed_packet is 1048576: a message of 1 MiB could not be stored; set it to 2162688 or more';
    const binlog = 'sync_binlog is 0: a crash may lose commits on replicas; set it to 1';
    expect(await doctor({ UAC_DATABASE_URL: url })).toEqual({
      well: false,
      lines: [`UAC_DATABASE_URL: ${packet}`, `UAC_DATABASE_URL: warning: ${binlog}`],
    });
    const { well, lines } = await doctor({}, url);
    expect([well, lines.slice(1)]).toEqual([false, [`${at()}: ${packet}`, `${at()}: warning: ${binlog}`]]);
    expect(lines[0]).toMatch(/^127\.0\.0\.1:\d+\/team: sql_mode has NO_BACKSLASH_ESCAPES: /);
    await server.admin('SET GLOBAL binlog_format = STATEMENT');
    expect((await doctor({ OPC_DATABASE_URL: url })).lines).toEqual([expect.stringMatching(/^OPC_DATABASE_URL: binlog_format is STATEMENT: /)]);
  });

  it('says what is wrong with an address, and without any what it takes; no password is repeated', async () => {
    const wrong = url.replace('team:team@', 'team:secret@');
    const { well, lines } = await doctor({ TPC_DATABASE_URL: wrong, DATABASE_URL: url.replace(/team$/, 'nowhere') });
    expect(well).toBe(false);
    expect(lines).toEqual([
      expect.stringMatching(/^TPC_DATABASE_URL: the server refuses user or password: /),
      expect.stringMatching(/^DATABASE_URL: the user has no right to database nowhere: /),
    ]);
    expect(lines.join()).not.toContain('secret');
    await expect(doctor({})).rejects.toThrow(StartError);
    expect(await doctor({}, '--help')).toMatchObject({ well: true, lines: [expect.stringContaining('npm run -s doctor -- ADDRESS')] });
  });

  it('starts no producer, no consumer and no service of teams where a message of 1 MiB could not be stored', async () => {
    await server.admin(`SET GLOBAL max_allowed_packet = ${MIB}`);
    const tpc = connectTpc({ address: '127.0.0.1:1' });
    const knex = teamPool(url);
    const { subscribe } = new MemoryBroker();
    const parts = { knex, tpc };
    const consumer = createConsumer({
      ...parts,
      group: 'C',
      subscribe,
      subscriptions: [{ topic: 'T', tags: [] }],
      handlers: { T: { handle: async () => undefined } },
    });
    await expect(createProducer({ ...parts, group: 'P' }).start()).rejects.toThrow(/^max_allowed_packet is 1048576: /);
    await expect(consumer.start()).rejects.toThrow(/^max_allowed_packet is 1048576: /);
    const service = openDatabase({ url });
    const log = createLog({ service: 'uac', level: 'silent', format: 'json' });
    const prepared = prepareDatabase(service, { setting: 'UAC_DATABASE_URL', url, mode: 'auto', schemas: [], log });
    await expect(prepared).rejects.toThrow(/^UAC_DATABASE_URL: max_allowed_packet is 1048576: /);
    for (const pool of [knex, service]) await pool.destroy();
    tpc.close();
  });

  it('warns where reads are answered by another server than writes', async () => {
    const knex = openBesideReplica(url);
    await run(
      knex,
      "CREATE TABLE replica (VARIABLE_NAME VARCHAR(20), VARIABLE_VALUE VARCHAR(20)) SELECT 'HOSTNAME' AS VARIABLE_NAME, 'replica' AS VARIABLE_VALUE",
    );
    const findings = await databaseFindings(knex);
    expect(findings).toEqual([
      { setting: 'read-write split', refuses: false, line: expect.stringMatching(/^reads go to replica:.* writes to .*server_id 1\): /) },
    ]);
    await knex.destroy();
  });
});

type Statement = { sql: string };
type Client = { _query(session: object, statement: Statement | string): Promise<unknown> };
const Mysql2Client = knexFactory({ client: 'mysql2' }).client.constructor as new (config: Knex.Config) => Client;

/** What a proxy with a read-write split does to a SELECT outside of a transaction: a replica answers. Its variables stand in a table here. */
class BesideReplica extends Mysql2Client {
  readonly #open = new WeakSet<object>();

  override _query(session: object, statement: Statement | string): Promise<unknown> {
    const sql = typeof statement === 'string' ? statement : statement.sql;
    if (/^BEGIN\b/i.test(sql)) this.#open.add(session);
    const there = this.#open.has(session) ? sql : sql.replace('information_schema.GLOBAL_VARIABLES', 'replica');
    if (/\b(COMMIT|ROLLBACK)\b/i.test(sql)) this.#open.delete(session);
    return super._query(session, typeof statement === 'string' ? there : Object.assign(statement, { sql: there }));
  }
}

function openBesideReplica(connection: string): Knex {
  return knexFactory({ client: BesideReplica as unknown as typeof Knex.Client, connection, pool: { min: 0, max: 2 } });
}
