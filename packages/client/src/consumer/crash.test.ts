import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Knex } from 'knex';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GROUP, TestBed, TOPIC, takeEffect, until } from '../../test/consumer-kit.ts';
import { STORES } from '../../test/stores.ts';
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

describe.each(STORES)('consumer on %s, when its process dies', (_name, makeStore) => {
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

  function executor(handle: (tx: Knex.Transaction, message: ConsumedMessage) => Promise<void>) {
    const handler = {
      maxBatch: 8,
      handleBatch: async (tx: Knex.Transaction, all: readonly ConsumedMessage[]) => each(all, (one) => handle(tx, one)),
    };
    const options = { subscriptions: [{ topic: TOPIC, tags: [] }], handlers: { [TOPIC]: handler }, group: GROUP, knex: bed.store.knex };
    const settings = settingsOf({ ...options, tpc: undefined as never, subscribe: bed.broker.subscribe });
    const telemetry = createTelemetry(settings, { note: () => {} });
    const reporter = new Reporter(settings, telemetry);
    const parts: HandlerParts = { topic: TOPIC, settings, telemetry, reporter, stopping: () => false, goOn: () => true };
    return { execute: createTransactionExecutor(parts, handler), parts };
  }
});

async function each<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  for (const one of all) await work(one);
}
