import { createConsumer } from '@tpc/client/consumer';
import { connectTpc, createProducer, migrateClientStore } from '@tpc/client/producer';
import { FakeTpc, MemoryBroker } from '@tpc/client/testing';
import { dialectOf, run, runTogether } from '@tpc/core';
import { openDatabase } from '@tpc/platform';
import type { Knex } from 'knex';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
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
    server = await startSetServer('--log-bin', '--server-id=1', '--innodb-rollback-on-timeout');
    url = await server.database('team');
    const knex = teamPool(url);
    await migrateClientStore(knex);
    await run(knex, 'CREATE TABLE account (name VARCHAR(20))');
    await run(knex, "CREATE TABLE held (id INT PRIMARY KEY, word VARCHAR(20)) SELECT 1 AS id, 'x' AS word");
    await server.admin(
      'USE team',
      'CREATE PROCEDURE quiet() BEGIN DECLARE CONTINUE HANDLER FOR 1205 BEGIN END; UPDATE held SET word = "y"; END',
      "GRANT EXECUTE ON team.* TO 'team'@'127.0.0.1'",
    );
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

  it('is ended when somebody has left it without autocommit after it was looked at, and what was written in it is said to be lost', async () => {
    const knex = teamPool(url, undefined, 1);
    pools.push(knex);
    await run(knex, 'SELECT 1');
    await knex.raw('SET autocommit = 0');
    await expect(run(knex, "INSERT INTO account VALUES ('ada')")).rejects.toThrow('autocommit was switched off in this session');
    await run(knex, "INSERT INTO account VALUES ('bob')");
    expect((await run(team(), 'SELECT name FROM account')).rows).toEqual([{ name: 'bob' }]);
    await run(knex, 'DELETE FROM account');
  });

  it.each(['CHAIN', 'RELEASE'])('is used by neither where a COMMIT does more than that: completion_type %s', async (type) => {
    await expectRefused(team(`SET completion_type = '${type}'`), new RegExp(`^completion_type is ${type}: `));
  });

  it.each([
    ['alone', false],
    ['in a packet of several', true],
  ])('is ended when somebody has left a transaction open in it, and what was written in it %s is said to be lost', async (_how, packet) => {
    for (const [left, line] of [
      ['BEGIN', 'a transaction was left open in this session'],
      ['SET autocommit = 0', 'autocommit was switched off in this session'],
    ] as const) {
      const knex = teamPool(url, undefined, 1, packet);
      pools.push(knex);
      await run(knex, 'SELECT 1');
      await knex.raw(left);
      const insert = { sql: 'INSERT INTO account VALUES (?)', params: ['ada'] };
      const write = packet ? runTogether(knex, [insert, { sql: 'SELECT 1', params: [] }]) : run(knex, insert.sql, insert.params);
      await expect(write).rejects.toThrow(line);
      await run(knex, "INSERT INTO account VALUES ('bob')");
      expect((await run(team(), 'SELECT name FROM account')).rows).toEqual([{ name: 'bob' }]);
      await run(knex, 'DELETE FROM account');
    }
  });

  it('is set by the services themselves', async () => {
    await server.admin(
      "SET GLOBAL init_connect = 'SET SESSION TRANSACTION READ ONLY; SET autocommit = 0, sql_mode = NO_BACKSLASH_ESCAPES, completion_type = CHAIN'",
    );
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

  it('has a clock that goes on while its zone has an hour twice', async () => {
    const [SUMMER_BEGINS, SUMMER_ENDS] = [1_774_746_000, 1_792_890_000]; // 2026 in most of Europe
    await server.admin(
      'USE mysql',
      "INSERT INTO time_zone (Time_zone_id, Use_leap_seconds) VALUES (1, 'N')",
      "INSERT INTO time_zone_name (Name, Time_zone_id) VALUES ('Test/Summer', 1)",
      "INSERT INTO time_zone_transition_type VALUES (1, 0, 7200, 1, 'CEST'), (1, 1, 3600, 0, 'CET')",
      `INSERT INTO time_zone_transition VALUES (1, ${SUMMER_BEGINS}, 0), (1, ${SUMMER_ENDS}, 1)`,
    );
    for (const seconds of [-5400, -1800, -1, 0, 1, 1800, 5400]) {
      const at = SUMMER_ENDS + seconds;
      const knex = team(`SET time_zone = 'Test/Summer', timestamp = ${at}.25`);
      const { rows } = await run<{ clock: number }>(knex, `SELECT ${dialectOf(knex).now} AS clock`);
      expect([seconds, rows[0]?.clock]).toEqual([seconds, at * 1000 + 250]);
    }
  });

  describe('where a lock wait that runs out rolls the whole transaction back, innodb_rollback_on_timeout', () => {
    const WAITS_FOR_LOCK = "UPDATE held SET word = 'y'";
    type Step = (tx: Knex.Transaction) => Promise<unknown>;
    const swallowing = (sql: string) => (tx: Knex.Transaction) => run(tx, sql).catch(() => undefined);

    /** Runs work while another transaction holds the row that it wants, until that work has failed once. */
    async function whileHeld<T>(work: () => Promise<T>, over: () => Promise<unknown>): Promise<T> {
      const holder = await team().transaction();
      await run(holder, 'SELECT * FROM held FOR UPDATE');
      const done = work();
      done.catch(() => undefined);
      await over();
      await holder.rollback();
      return done;
    }

    it.each<[string, Step, Step]>([
      ['swallows the error and goes on', swallowing(WAITS_FOR_LOCK), (tx) => run(tx, "INSERT INTO account VALUES ('eve')").catch(() => undefined)],
      ['swallows the error and ends', swallowing(WAITS_FOR_LOCK), async () => undefined],
      [
        'asks a procedure that swallows the error, and goes on',
        (tx) => run(tx, 'CALL quiet()'),
        (tx) => run(tx, "INSERT INTO account VALUES ('eve')"),
      ],
      [
        'swallows the error in a nested transaction and goes on',
        (tx) => tx.transaction((nested) => run(nested, WAITS_FOR_LOCK)).catch(() => undefined),
        (tx) => run(tx, "INSERT INTO account VALUES ('eve')"),
      ],
    ])('a message takes effect once, whose handler %s', async (_what, first, then) => {
      const knex = team('SET SESSION innodb_lock_wait_timeout = 1');
      await run(knex, 'DELETE FROM account');
      await run(knex, 'DELETE FROM tpc_inbox');
      const broker = new MemoryBroker();
      let tries = 0;
      const handle = async (tx: Knex.Transaction) => {
        tries++;
        await first(tx);
        await then(tx);
        await run(tx, "INSERT INTO account VALUES ('ada')");
      };
      const retry = { firstWaitMs: 20, factor: 1, maxWaitMs: 20, jitter: 0, maxAttempts: 50 };
      const given = {
        knex,
        group: 'CID_TEAM',
        tpc,
        subscribe: broker.subscribe,
        subscriptions: [{ topic: 'T', tags: [] }],
        handlers: { T: { handle } },
        retry,
        sweepMs: 25,
      };
      const consumer = createConsumer(given);
      await consumer.start();
      await consumer.registered();
      const twice = () => vi.waitUntil(() => tries > 1 || consumer.state().counters.consumed > 0, { timeout: 30_000 });
      await whileHeld(async () => broker.deliver({ messageKey: 'team:1', topic: 'T', body: 'x' }), twice).then(twice);
      await vi.waitUntil(async () => (await knex('tpc_inbox').where({ state: 30 })).length === 1, { timeout: 30_000 });
      const names = (await run<{ name: string }>(knex, 'SELECT name FROM account')).rows.map(({ name }) => name);
      expect(names.filter((name) => name === 'ada')).toEqual(['ada']);
      expect(names.filter((name) => name === 'eve').length).toBeLessThanOrEqual(1);
      await consumer.stop(5_000);
    });

    it('a producer commits nothing of it', async () => {
      const knex = team('SET SESSION innodb_lock_wait_timeout = 1');
      await run(knex, 'DELETE FROM account');
      const producer = producerOf(knex);
      await producer.start();
      const over = Promise.withResolvers<void>();
      const work = () =>
        producer.transaction(async (tx, outbox) => {
          await run(tx, "INSERT INTO account VALUES ('ada')");
          await run(tx, WAITS_FOR_LOCK).catch(over.resolve);
          await run(tx, "INSERT INTO account VALUES ('eve')").catch(() => undefined);
          await outbox.add(MESSAGE);
        });
      await expect(whileHeld(work, () => over.promise)).rejects.toThrow('the database ended the transaction at one of its statements');
      expect((await run(knex, 'SELECT name FROM account')).rows).toEqual([]);
      await producer.stop(5_000);
    });
  });
});
