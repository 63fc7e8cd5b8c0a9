import { createConsumer } from '@tpc/client/consumer';
import { connectTpc, createProducer, migrateClientStore } from '@tpc/client/producer';
import { FakeTpc, MemoryBroker } from '@tpc/client/testing';
import { run } from '@tpc/core';
import { openDatabase } from '@tpc/platform';
import type { Knex } from 'knex';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type SetServer, startSetServer, teamPool } from './support.ts';

const MESSAGE = { topic: 'T', body: 'x' };

describe('a session of the database that is not as it must be', () => {
  const fake = new FakeTpc();
  let tpc: ReturnType<typeof connectTpc>;
  let server: SetServer;
  let url: string;
  const pools: Knex[] = [];
  beforeAll(async () => {
    tpc = connectTpc({ address: (await fake.start()).address });
    server = await startSetServer('--log-bin', '--server-id=1');
    url = await server.database('team');
    const knex = teamPool(url);
    await migrateClientStore(knex);
    await run(knex, 'CREATE TABLE account (name VARCHAR(20))');
    await knex.destroy();
  });
  afterEach(async () => {
    await server.admin("SET GLOBAL init_connect = ''", 'SET GLOBAL binlog_format = MIXED');
    for (const pool of pools.splice(0)) await pool.destroy();
  });
  afterAll(async () => {
    tpc.close();
    fake.die();
    await server.stop();
  });

  const team = (afterCreate?: string) => {
    const knex = teamPool(url, afterCreate);
    pools.push(knex);
    return knex;
  };
  const producerOf = (knex: Knex) => createProducer({ knex, group: 'PID_TEAM', tpc });
  const consumerOf = (knex: Knex) => {
    const { subscribe } = new MemoryBroker();
    const handlers = { T: { handle: async () => undefined } };
    return createConsumer({ knex, group: 'CID_TEAM', tpc, subscribe, subscriptions: [{ topic: 'T', tags: [] }], handlers });
  };
  const expectRefused = async (knex: Knex, line: RegExp) => {
    await expect(producerOf(knex).start()).rejects.toThrow(line);
    await expect(producerOf(knex).saveAndSend(MESSAGE)).rejects.toThrow(line);
    await expect(consumerOf(knex).start()).rejects.toThrow(line);
  };

  const UNCOMMITTED = /^autocommit is OFF: what is written outside a transaction would never be committed; set it to ON/;

  it('is used by no producer and no consumer where the server has switched autocommit off for it', async () => {
    await server.admin("SET GLOBAL init_connect = 'SET autocommit = 0'");
    await expectRefused(team(), UNCOMMITTED);
  });

  it("is used by neither where the pool's afterCreate has", async () => {
    await expectRefused(team('SET autocommit = 0'), UNCOMMITTED);
  });

  it('is set by the services themselves', async () => {
    await server.admin("SET GLOBAL init_connect = 'SET SESSION TRANSACTION READ ONLY; SET autocommit = 0, sql_mode = NO_BACKSLASH_ESCAPES'");
    const [one, two] = [openDatabase({ url }), openDatabase({ url })];
    pools.push(one, two);
    await run(one, "INSERT INTO account VALUES ('ada')");
    expect((await run(two, 'SELECT name FROM account')).rows).toEqual([{ name: 'ada' }]);
  });

  it('is used by neither where nothing can be written in it', async () => {
    await expectRefused(team('SET SESSION TRANSACTION READ ONLY'), /^(tx|transaction)_read_only is ON: nothing could be written; set it to OFF$/);
  });

  it('is used by nobody where the binary log takes no writes at READ COMMITTED', async () => {
    await server.admin('SET GLOBAL binlog_format = STATEMENT');
    const line = /binlog_format is STATEMENT: the server refuses every write at READ COMMITTED \(error 1665\); set it to ROW or MIXED$/;
    await expectRefused(team(), line);
    const services = openDatabase({ url });
    pools.push(services);
    await expect(run(services, 'SELECT 1')).rejects.toThrow(line);
  });
});
