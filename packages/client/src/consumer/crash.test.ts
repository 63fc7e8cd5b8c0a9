import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Knex } from 'knex';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GROUP, TestBed, TOPIC, takeEffect, until } from '../../test/consumer-kit.ts';
import { MARIADB, SQLITE, STORES } from '../../test/stores.ts';
import { silentLog } from '../log.ts';
import { FakeRefusal } from '../testing/index.ts';
import { createTelemetry } from './counters.ts';
import { settingsOf } from './defaults.ts';
import { createTransactionExecutor } from './handle-transaction.ts';
import type { HandlerParts } from './handler-parts.ts';
import type { ClaimedRow, InboxRow } from './inbox-row.ts';
import { recordFailure } from './record-failure.ts';
import { Reporter } from './reporter.ts';
import { storeArrivals } from './store-arrivals.ts';
import type { ConsumedMessage } from './types.ts';

const CHILD = fileURLToPath(new URL('../../test/poison-child.ts', import.meta.url));

function row(messageKey: string): InboxRow {
  const nothing = { brokerMessageId: '', tag: '', contentType: '', headers: {}, traceparent: '', tracestate: '', attempts: 0, openEffects: 0 };
  return { ...nothing, messageKey, generation: 1, producerGroup: 'P', topic: TOPIC, body: Buffer.from('x') };
}

/** Stores messages as a process that dies right after: claimed, and never handled. */
async function storeAndDie(knex: Knex, keys: readonly string[], leaseMs: number): Promise<ClaimedRow[]> {
  const rows = keys.map((key) => ({ ...row(key), claim: `dead-${key}`, leaseUntil: performance.now() + leaseMs }));
  const items = rows.map((claimed) => ({ row: claimed, claim: claimed.claim, dead: undefined }));
  await storeArrivals(knex, GROUP, items, { leaseMs, reportAfterMs: 100 });
  return rows;
}

describe.each(STORES)('consumer on %s, when things break', (_name, makeStore) => {
  let bed: TestBed;
  beforeEach(async () => {
    bed = await TestBed.open(makeStore);
  });
  afterEach(() => bed.close());

  const consumed = (key: string) => async () => (await bed.inbox(key))?.state === 30;
  const deliver = (...keys: string[]) => bed.broker.deliver(...keys.map((messageKey) => ({ messageKey, topic: TOPIC, body: 'x' })));

  it('handles what a process stored and never handled, each message alone, once its lease is over', async () => {
    await storeAndDie(bed.store.knex, ['s1', 's2', 's3'], 100);
    const running = new Set<string>();
    const company: string[] = [];
    await bed.run({
      effects: () => [{ key: 'a' }],
      run: async (_effect, { messageKey }) => {
        running.add(messageKey);
        const lone = [...running].find((key) => key.startsWith('s'));
        if (lone !== undefined && running.size > 1) company.push(`${lone} beside ${[...running].join()}`);
        await new Promise(setImmediate);
        running.delete(messageKey);
        return {};
      },
      timeoutMs: 5_000,
      leaseMs: 6_000,
      onUncertain: 'repeat',
      concurrency: 8,
    });
    const others = Array.from({ length: 200 }, (_, n) => `o${n}`);
    deliver(...others);
    for (const key of ['s1', 's2', 's3', ...others]) await until(consumed(key));
    expect(company).toEqual([]);
    for (const key of ['s1', 's2', 's3']) expect(await bed.inbox(key)).toMatchObject({ lone_claims: 0, attempts: 1 });
    await until(() => new Set(bed.heard('consumed').map((report) => report.messageKey)).size === 203);
  });

  it('forgets that a process died of a message once its handling has an outcome', async () => {
    await storeAndDie(bed.store.knex, ['e1'], 50);
    const retry = { firstWaitMs: 3_600_000, factor: 1, maxWaitMs: 3_600_000, jitter: 0, maxAttempts: 9 };
    await bed.run({ handle: () => Promise.reject(new Error('450')) }, { retry });
    await until(async () => (await bed.inbox('e1'))?.attempts === 1);
    expect(await bed.inbox('e1')).toMatchObject({ state: 10, lone_claims: 0, claim: null });
  });

  it('ends a message that kills its process as POISON, and none of its neighbours', async () => {
    const { client, connection } = bed.store.knex.client.config as { client: string; connection: object };
    const codes: (number | null)[] = [];
    for (let publish = ['n1', 'poison', 'n2']; codes.at(-1) !== 0 && codes.length < 6; publish = []) {
      const child = spawnSync(process.execPath, ['--conditions=tpc-source', CHILD, JSON.stringify({ client, connection, publish })], {
        encoding: 'utf8',
        timeout: 20_000,
      });
      codes.push(child.status);
      expect([0, 9], child.stderr).toContain(child.status);
    }
    // Once in company, twice alone, and then it is not handled any more.
    expect(codes).toEqual([9, 9, 9, 0]);
    expect(await bed.inbox('poison')).toMatchObject({ state: 50, reason: 'POISON', report_kind: 3 });
    for (const key of ['n1', 'n2']) {
      expect(await bed.inbox(key)).toMatchObject({ state: 30 });
      expect(await bed.took(key)).toBe(1);
    }
  });

  it('writes nothing in a transaction whose message another instance has taken over', async () => {
    const stale = await storeAndDie(bed.store.knex, ['f1', 'f2'], 60_000);
    await bed.store.knex('tpc_inbox').where({ message_key: 'f1' }).update({ claim: 'another' });
    const { execute, parts } = executor((tx, message) => takeEffect(tx, message));
    await execute(stale);
    expect(await bed.took('f1')).toBe(0);
    expect(await bed.inbox('f1')).toMatchObject({ state: 10, claim: 'another', attempts: 0 });
    expect(await bed.took('f2')).toBe(1);
    expect(parts.telemetry.counters).toMatchObject({ consumed: 1, fenced: 1 });
  });

  it('leaves a message consumed whose COMMIT succeeded although its answer was an error', async () => {
    const [claimed] = (await storeAndDie(bed.store.knex, ['c1'], 60_000)) as [ClaimedRow];
    const { execute, parts } = executor((tx, message) => takeEffect(tx, message));
    await execute([claimed]);
    await recordFailure(parts, claimed, Object.assign(new Error('lost'), { code: 'PROTOCOL_CONNECTION_LOST' }), 0);
    expect(await bed.inbox('c1')).toMatchObject({ state: 30, due_at: null });
  });

  it('tells TPC after its return what was consumed while it was away', async () => {
    await bed.run({ handle: takeEffect });
    bed.tpc.die();
    deliver('r1', 'r2');
    await until(consumed('r1'));
    await until(consumed('r2'));
    await bed.tpc.start();
    await until(() => new Set(bed.heard('consumed').map((report) => report.messageKey)).size === 2);
    await until(async () => (await bed.inbox('r1'))?.report_due_at === null);
  });

  it('reports what a process committed and died before it reported', async () => {
    bed.tpc.die();
    const first = bed.make({ handle: takeEffect });
    await first.start();
    await until(() => first.state().running);
    deliver('d1');
    await until(consumed('d1'));
    await first.stop(2_000);
    await bed.tpc.start();
    await bed.run({ handle: takeEffect });
    await until(() => bed.heard('consumed').length > 0);
    expect(await bed.took('d1')).toBe(1);
  });

  it('repeats a report that TPC has refused ever more slowly, and others as usual', async () => {
    bed.tpc.beforeItem = (method, key) => {
      if (method === 'batchConfirmConsumedMessage' && key === 'no') throw new FakeRefusal('INVALID_ARGUMENT', 'TPC1');
    };
    await bed.run({ handle: takeEffect });
    deliver('no', 'yes');
    await until(async () => Number((await bed.inbox('no'))?.report_attempts) >= 2);
    await until(async () => (await bed.inbox('yes'))?.report_due_at === null);
    expect(bed.heard('consumed').filter((report) => report.messageKey === 'yes')).toHaveLength(1);
  });

  it('receives and handles while TPC is away, and registers when it comes', async () => {
    bed.tpc.die();
    const consumer = bed.make({ handle: takeEffect });
    await consumer.start();
    let registered = false;
    void consumer.registered().then(() => {
      registered = true;
    });
    await until(() => consumer.state().running);
    deliver('a1');
    await until(consumed('a1'));
    expect(registered).toBe(false);
    expect(consumer.state()).toMatchObject({ registration: 'pending' });
    await bed.tpc.start();
    await consumer.registered();
    expect(consumer.state()).toMatchObject({ registration: 'registered', registrationError: '' });
  });

  it('registers only once its subscriber is ready, with what it subscribes, and says when it is idle', async () => {
    bed.broker.setAvailable(false);
    bed.tpc.heartbeatMs = 200;
    const consumer = bed.make({ handle: takeEffect }, { inboxRetentionMs: 90_000, host: 'pod-1', instanceId: 'i-1' });
    await consumer.start();
    await until(() => consumer.state().running);
    expect(bed.tpc.callsOf('registerConsumer')).toEqual([]);
    bed.broker.setAvailable(true);
    await consumer.registered();
    await until(() => bed.tpc.callsOf('registerConsumer').some((call) => (call.request as { idle: boolean }).idle));
    expect(bed.tpc.callsOf('registerConsumer')[0]?.request).toMatchObject({
      consumerGroup: GROUP,
      instanceId: 'i-1',
      host: 'pod-1',
      subscriptions: [{ topic: TOPIC, tags: [] }],
      inboxRetention: { seconds: 90n, nanos: 0 },
    });
  });

  it('receives nothing while TPC has bound the group to another inbox, and goes on once it is rebound', async () => {
    let bound = false;
    bed.tpc.beforeCall = ({ method }) => {
      if (method === 'registerConsumer' && !bound) throw new FakeRefusal('FAILED_PRECONDITION', 'INBOX_STORE_CONFLICT', 'bound to another store');
    };
    const consumer = bed.make({ handle: takeEffect });
    await consumer.start();
    await until(() => consumer.state().registration === 'refused');
    expect(consumer.state()).toMatchObject({ running: false, registrationError: 'INBOX_STORE_CONFLICT: bound to another store' });
    deliver('x1');
    const refusals = bed.tpc.callsOf('registerConsumer').length;
    await until(() => bed.tpc.callsOf('registerConsumer').length > refusals + 1);
    expect(bed.broker.unacknowledged(GROUP)).toBe(1);
    bound = true;
    await consumer.registered();
    await until(consumed('x1'));
  });

  it('acknowledges nothing that it could not store, and stores it when it comes again', async () => {
    let looked = 0;
    const count = (_fields: object, message: string) => void (message.startsWith('the inbox cannot be read') && looked++);
    await bed.run({ handle: takeEffect }, { log: { ...silentLog, debug: count } });
    await bed.store.knex.schema.renameTable('tpc_inbox', 'tpc_inbox_away');
    deliver('w1', 'w2');
    await until(() => bed.broker.redelivered(GROUP) > 0);
    // While it looks, it receives nothing, so that the broker's deliveries are not used up.
    await until(() => looked >= 3);
    expect(bed.broker.redelivered(GROUP)).toBe(2);
    expect(bed.broker.unacknowledged(GROUP)).toBe(2);
    await bed.store.knex.schema.renameTable('tpc_inbox_away', 'tpc_inbox');
    await until(consumed('w1'));
    await until(consumed('w2'));
    expect(await bed.took('w1')).toBe(1);
  });

  it.each([
    ['messages', { maxInMemory: 8 }, 8],
    ['bytes', { maxInMemoryBytes: 450 }, 5],
    ['half a lease of work', { leaseMs: 400 }, 8],
  ])('holds no more in memory than it may, by %s, and loses none of the rest', async (_what, options, limit) => {
    const door = Promise.withResolvers<void>();
    const handler = { effects: () => [{ key: 'a' }], run: () => door.promise.then(() => ({})) };
    const consumer = await bed.run(
      { ...handler, timeoutMs: 20_000, leaseMs: 30_000, onUncertain: 'repeat', concurrency: 2 },
      { leaseMs: 60_000, ...options },
    );
    bed.broker.deliver(...Array.from({ length: 100 }, (_, n) => ({ messageKey: `p${n}`, topic: TOPIC, body: 'x'.repeat(100) })));
    await until(() => consumer.state().handling === 2);
    await until(() => consumer.state().inMemory === limit);
    expect(bed.broker.unacknowledged(GROUP)).toBeGreaterThanOrEqual(100 - 32);
    let most = 0;
    door.resolve();
    await until(() => {
      most = Math.max(most, consumer.state().inMemory);
      return consumer.state().counters.consumed === 100;
    });
    if (!('leaseMs' in options)) expect(most).toBeLessThanOrEqual(limit);
  });

  it('lets work under way end when it stops, and gives the rest back at once', async () => {
    const door = Promise.withResolvers<void>();
    let begun = 0;
    const consumer = await bed.run(
      {
        effects: () => [{ key: 'a' }],
        run: async () => {
          begun++;
          await door.promise;
          return {};
        },
        timeoutMs: 20_000,
        leaseMs: 30_000,
        onUncertain: 'repeat',
        concurrency: 1,
      },
      { leaseMs: 3_600_000 },
    );
    deliver('q1', 'q2');
    await until(() => begun === 1 && consumer.state().inMemory === 2);
    const stopped = consumer.stop(10_000);
    door.resolve();
    await stopped;
    const states = [await bed.inbox('q1'), await bed.inbox('q2')].map((found) => [found?.state, found?.claim]);
    expect(states.sort()).toEqual([
      [10, null],
      [30, null],
    ]);
    expect(bed.heard('consumed')).toHaveLength(1);
    await bed.run({ handle: takeEffect });
    await until(async () => (await bed.inbox('q1'))?.state === 30 && (await bed.inbox('q2'))?.state === 30);
  });

  it('gives back what has waited in memory for most of its lease, so that it never looks as if its process had died', async () => {
    const door = Promise.withResolvers<void>();
    let begun = 0;
    const consumer = await bed.run(
      {
        effects: () => [{ key: 'a' }],
        run: async () => {
          if (++begun === 1) await door.promise;
          return {};
        },
        timeoutMs: 20_000,
        leaseMs: 30_000,
        onUncertain: 'repeat',
        concurrency: 1,
      },
      { leaseMs: 400, maxInMemory: 2 },
    );
    deliver('t1', 't2');
    await until(() => begun === 1 && consumer.state().inMemory === 2);
    const waiting = () => bed.store.knex('tpc_inbox').where({ open_effects: 0, state: 10 }).first('claim', 'lone_claims');
    const before = await waiting();
    // Given back, and claimed anew since nobody else is there.
    await until(async () => ![null, before.claim].includes((await waiting()).claim));
    expect(await waiting()).toMatchObject({ lone_claims: 0 });
    door.resolve();
    await until(() => consumer.state().counters.consumed === 2);
  });

  it('rolls back a handler that does not end, and tries again', async () => {
    let late: Promise<unknown> | undefined;
    const door = Promise.withResolvers<void>();
    await bed.run(
      {
        handle: async (tx, message) => {
          await takeEffect(tx, message, `try ${message.attempt}`);
          if (message.attempt > 1) return;
          late = door.promise.then(() => takeEffect(tx, message, 'late'));
          await late;
        },
      },
      { handlerTimeoutMs: 200 },
    );
    deliver('h1');
    await until(consumed('h1'));
    door.resolve();
    await expect(late).rejects.toThrow('complete');
    expect(await bed.store.knex('effect').pluck('by')).toEqual(['try 2']);
  });

  function executor(handle: (tx: Knex.Transaction, message: ConsumedMessage) => Promise<void>) {
    const handler = {
      maxBatch: 8,
      handleBatch: async (tx: Knex.Transaction, all: readonly ConsumedMessage[]) => each(all, (one) => handle(tx, one)),
    };
    const options = { subscriptions: [{ topic: TOPIC, tags: [] }], handlers: { [TOPIC]: handler }, group: GROUP, knex: bed.store.knex };
    const settings = settingsOf({ ...options, tpc: undefined as never, subscribe: bed.broker.subscribe });
    const telemetry = createTelemetry(settings);
    const reporter = new Reporter(settings, telemetry);
    const parts: HandlerParts = { topic: TOPIC, settings, telemetry, reporter, stopping: () => false, goOn: () => true };
    return { execute: createTransactionExecutor(parts, handler), parts };
  }
});

async function each<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  for (const one of all) await work(one);
}

describe('a handler on SQLite', () => {
  it('that uses the pool instead of its transaction fails by the pool’s time-out and does not stop the consumer', async () => {
    const bed = await TestBed.open(SQLITE[1]);
    try {
      await bed.run({
        handle: async (tx, message) => {
          if (message.messageKey === 'wrong') await bed.store.knex('effect').insert({ message_key: 'wrong', by: 'pool' });
          else await takeEffect(tx, message);
        },
      });
      bed.broker.deliver({ messageKey: 'wrong', topic: TOPIC, body: 'x' }, { messageKey: 'right', topic: TOPIC, body: 'x' });
      await until(async () => (await bed.inbox('right'))?.state === 30);
      await until(async () => (await bed.inbox('wrong'))?.attempts !== 0);
      expect(String((await bed.inbox('wrong'))?.last_error)).toContain('Timeout acquiring a connection');
    } finally {
      await bed.close();
    }
  });
});

describe('a handler on MariaDB', () => {
  let bed: TestBed;
  beforeEach(async () => {
    bed = await TestBed.open(MARIADB[1]);
    await bed.store.knex.schema.createTable('account', (table) => {
      table.integer('id').primary();
      table.integer('n').defaultTo(0);
    });
    await bed.store.knex('account').insert([{ id: 1 }, { id: 2 }]);
  });
  afterEach(() => bed.close());

  it('leaves no row of a transaction that it went on with after a deadlock', async () => {
    const { knex } = bed.store;
    let deadlocks = 0;
    await bed.run({
      handle: async (tx, message) => {
        if (deadlocks > 0) return takeEffect(tx, message, 'second try');
        await tx('account').where({ id: 1 }).update({ n: 1 });
        const other = await knex.transaction();
        await other('account').where({ id: 2 }).update({ n: 2 });
        // The heavier transaction survives a deadlock.
        await other('effect').insert(Array.from({ length: 50 }, (_, n) => ({ message_key: `ballast ${n}`, by: 'other' })));
        const waits = other('account')
          .where({ id: 1 })
          .update({ n: 2 })
          .then(() => other.commit());
        const blocked = tx('account').where({ id: 2 }).update({ n: 1 });
        const beside = takeEffect(tx, message, 'beside the deadlock');
        await blocked.catch(() => deadlocks++);
        await beside.catch(() => undefined);
        await takeEffect(tx, message, 'after the deadlock').catch(() => undefined);
        await waits;
      },
    });
    bed.broker.deliver({ messageKey: 'k', topic: TOPIC, body: 'x' });
    await until(async () => (await bed.inbox('k'))?.state === 30);
    expect(deadlocks).toBe(1);
    expect(await knex('effect').where({ message_key: 'k' }).pluck('by')).toEqual(['second try']);
  });
});
