import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../../test/support/until.ts';
import { GROUP, storeAndDie, TestBed, TOPIC, takeEffect } from '../../../test/consumer-kit.ts';
import { STORES } from '../../../test/stores.ts';
import type { EffectHandler } from '../types.ts';

const EFFECT = { effects: () => [{ key: 'a' }], timeoutMs: 60_000, leaseMs: 70_000, onUncertain: 'repeat', concurrency: 4 } as const;

describe.each(STORES)('a message that lost its process, on %s', (_name, makeStore) => {
  let bed: TestBed;
  const doors = new Map<string, PromiseWithResolvers<void>>();
  beforeEach(async () => {
    bed = await TestBed.open(makeStore);
  });
  afterEach(async () => {
    for (const door of doors.values()) door.resolve();
    doors.clear();
    await bed.close();
  });

  const consumed = (key: string) => async () => (await bed.inbox(key))?.state === 30;
  const deliver = (...keys: string[]) => bed.broker.deliver(...keys.map((messageKey) => ({ messageKey, topic: TOPIC, body: 'x' })));
  /** Messages of these names do not end until the test opens their door. */
  function slow(begun: string[], ...names: string[]): EffectHandler {
    for (const name of names) doors.set(name, Promise.withResolvers<void>());
    return {
      ...EFFECT,
      run: async (_effect, { messageKey }) => {
        begun.push(messageKey);
        await doors.get(messageKey)?.promise;
        return {};
      },
    };
  }

  it('is handled while another handler runs for longer than anybody would wait for', async () => {
    const begun: string[] = [];
    await bed.run(slow(begun, 'long'));
    deliver('long');
    await until(() => begun.includes('long'));
    await storeAndDie(bed.store.knex, ['lost'], 50);
    await until(consumed('lost'));
    expect((await bed.inbox('long'))?.state).toBe(10);
  });

  it('stops no others, however long it takes', async () => {
    const begun: string[] = [];
    await storeAndDie(bed.store.knex, ['lost'], 50);
    await bed.run(slow(begun, 'lost'));
    await until(() => begun.includes('lost'));
    deliver('beside');
    await until(consumed('beside'));
    expect((await bed.inbox('lost'))?.state).toBe(10);
  });

  it('is tried though the handlers of others hold their rows for longer than the lease', async () => {
    if (bed.store.knex.client.driverName !== 'mysql2') return;
    const { knex } = bed.store;
    const held = Array.from({ length: 40 }, (_, n) => `held${n}`);
    await storeAndDie(knex, [...held, 'lost'], 50);
    const handlers = await knex.transaction({ isolationLevel: 'read committed' });
    try {
      for (const key of held) await handlers('tpc_inbox').where({ consumer_group: GROUP, message_key: key, generation: 1 }).update({ attempts: 1 });
      await bed.run({ handle: takeEffect });
      await until(consumed('lost'));
    } finally {
      await handlers.rollback();
    }
  });

  it('that has brought a process down alone waits for a quiet moment, yet not for ever', async () => {
    const begun: string[] = [];
    await bed.run(slow(begun, 'long'), { leaseMs: 2_000 });
    deliver('long');
    await until(() => begun.includes('long'));
    await storeAndDie(bed.store.knex, ['suspect'], 3_600_000);
    await bed.store.knex('tpc_inbox').where({ message_key: 'suspect' }).update({ lone_claims: 1, due_at: 1 });
    await storeAndDie(bed.store.knex, ['lost'], 50);
    await until(consumed('suspect'));
    expect((await bed.inbox('long'))?.state).toBe(10);
    await until(consumed('lost'));
  });
});
