import type { Knex } from 'knex';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../test/support/until.ts';
import { GROUP, TestBed, TOPIC, takeEffect } from '../../test/consumer-kit.ts';
import { MARIADBS, SQLITE, STORES } from '../../test/stores.ts';

describe.each(STORES)('consumer on %s, under load', (_name, makeStore) => {
  let bed: TestBed;
  beforeEach(async () => {
    bed = await TestBed.open(makeStore);
  });
  afterEach(() => bed.close());

  const consumed = (key: string) => async () => (await bed.inbox(key))?.state === 30;
  const deliver = (...keys: string[]) => bed.broker.deliver(...keys.map((messageKey) => ({ messageKey, topic: TOPIC, body: 'x' })));

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

  it('takes no more than it may into memory from an inbox that was full before it began', async () => {
    const row = { consumer_group: GROUP, generation: 1, topic: TOPIC, body: Buffer.alloc(100), due_at: 1, received_at: 1, state: 10 };
    await bed.store.knex('tpc_inbox').insert(Array.from({ length: 100 }, (_, n) => ({ ...row, message_key: `b${n}` })));
    const door = Promise.withResolvers<void>();
    const consumer = await bed.run(
      {
        effects: () => [{ key: 'a' }],
        run: () => door.promise.then(() => ({})),
        timeoutMs: 20_000,
        leaseMs: 30_000,
        onUncertain: 'repeat',
        concurrency: 2,
      },
      { leaseMs: 60_000, maxInMemoryBytes: 450 },
    );
    await until(() => consumer.state().inMemory >= 5);
    expect(consumer.state().inMemory).toBe(5);
    door.resolve();
    await until(() => consumer.state().counters.consumed === 100);
  });

  it('never begins when it is stopped while it starts', async () => {
    let subscribed = 0;
    const consumer = bed.make(
      { handle: takeEffect },
      {
        subscribe: (options) => {
          subscribed++;
          return bed.broker.subscribe(options);
        },
      },
    );
    const starting = consumer.start();
    await consumer.stop(1_000);
    await expect(starting).rejects.toThrow(/stopped/);
    await expect(consumer.registered()).rejects.toThrow(/stopped/);
    expect(subscribed).toBe(0);
    expect(consumer.state().running).toBe(false);
  });

  it('commits what a handler has sent and not waited for', async () => {
    await bed.run({
      handle: async (tx, message) => {
        for (const by of ['a', 'b', 'c']) void takeEffect(tx, message, by);
      },
    });
    deliver('unawaited');
    await until(consumed('unawaited'));
    expect(await bed.took('unawaited')).toBe(3);
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
});

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

describe.each(MARIADBS)('a handler on %s', (_name, open) => {
  let bed: TestBed;
  beforeEach(async () => {
    bed = await TestBed.open(open);
    await bed.store.knex.schema.createTable('account', (table) => {
      table.integer('id').primary();
      table.integer('n').defaultTo(0);
    });
    await bed.store.knex('account').insert([{ id: 1 }, { id: 2 }]);
  });
  afterEach(() => bed.close());

  type Sent = (tx: Knex.Transaction, message: { messageKey: string }) => Promise<unknown>;
  const victim = (tx: Knex.Transaction) => tx('account').where({ id: 2 }).update({ n: 1 });
  const beside: Sent = (tx, message) => takeEffect(tx, message, 'beside the deadlock');

  it.each<[string, Sent]>([
    ['with a statement beside it', (tx, message) => Promise.allSettled([victim(tx), beside(tx, message)])],
    ['in a nested transaction', (tx, message) => tx.transaction((nested) => Promise.allSettled([victim(nested), beside(nested, message)]))],
    ['beside a nested transaction', (tx, message) => Promise.allSettled([tx.transaction((nested) => beside(nested, message)), victim(tx)])],
    [
      'in a nested transaction within another',
      (tx, message) => tx.transaction((outer) => outer.transaction((nested) => Promise.allSettled([victim(nested), beside(outer, message)]))),
    ],
  ])('leaves no row of a transaction that it went on with after a deadlock %s', async (_what, send) => {
    const { knex } = bed.store;
    let deadlocks = 0;
    knex.on('query-error', ({ errno }: { errno?: number }) => {
      if (errno === 1213) deadlocks++;
    });
    const consumer = await bed.run({
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
        await send(tx, message).catch(() => undefined);
        await takeEffect(tx, message, 'after the deadlock').catch(() => undefined);
        await waits;
      },
    });
    bed.broker.deliver({ messageKey: 'k', topic: TOPIC, body: 'x' });
    await until(async () => (await bed.inbox('k'))?.state === 30);
    expect(deadlocks).toBe(1);
    expect(await knex('effect').where({ message_key: 'k' }).pluck('by')).toEqual(['second try']);
    // Told once: a try whose transaction the server has ended is no consumption, though its handler returned.
    await until(() => bed.heard('consumed').length > 0);
    await until(async () => (await bed.inbox('k'))?.report_due_at === null);
    expect(bed.heard('consumed')).toEqual([{ messageKey: 'k', generation: 1 }]);
    expect(consumer.state().counters).toMatchObject({ consumed: 1, retried: 0 });
  });
});
