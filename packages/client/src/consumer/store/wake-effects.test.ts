import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../../test/support/until.ts';
import { GROUP, TestBed, TOPIC } from '../../../test/consumer-kit.ts';
import { SPLIT_STORES, STORES } from '../../../test/stores.ts';
import { EffectDeferred, EffectFailed } from '../errors.ts';
import type { EffectHandler } from '../types.ts';
import { wakeEffects } from './wake-effects.ts';

const AN_HOUR = 3_600_000;

function sender(run: EffectHandler['run']): EffectHandler {
  const effects: EffectHandler['effects'] = (message) => (message.json() as string[]).map((key) => ({ key }));
  return { effects, run, timeoutMs: 5_000, leaseMs: 6_000, onUncertain: 'repeat', concurrency: 4 };
}

describe.each([...STORES, ...SPLIT_STORES.slice(0, 1)])('deferred effects on %s', (_name, makeStore) => {
  let bed: TestBed;
  beforeEach(async () => {
    bed = await TestBed.open(makeStore);
  });
  afterEach(() => bed.close());

  const deliver = (messageKey: string, ...keys: string[]) => bed.broker.deliver({ messageKey, topic: TOPIC, body: JSON.stringify(keys) });
  const givenBack = async (messageKey: string) => {
    const row = await bed.inbox(messageKey);
    return row?.claim === null && Number(row.attempts) > 0;
  };

  it('tell the handler how often they were deferred, counted as it wished, beyond the end of the retry policy', async () => {
    const seen: [number, number][] = [];
    await bed.run(
      sender(async (_effect, _message, { attempt, deferrals }) => {
        seen.push([attempt, deferrals]);
        if (attempt < 6) throw new EffectDeferred('450 later', { waitMs: 1, counts: attempt % 2 === 0 });
        throw new EffectFailed('EXPIRED', 'too long');
      }),
    );
    deliver('m', 'a');
    await until(() => bed.heard('failed').length > 0);
    expect(seen).toEqual([
      [1, 0],
      [2, 0],
      [3, 1],
      [4, 1],
      [5, 2],
      [6, 2],
    ]);
    expect(bed.heard('failed')).toMatchObject([{ reason: 'EXPIRED' }]);
  });

  it('are woken by what they wait for, and by nothing else', async () => {
    let back = false;
    const consumer = await bed.run(
      sender(async ({ key }) => {
        if (!back) throw new EffectDeferred('away', { waitMs: AN_HOUR, waitsFor: key === 'own' ? '' : 'server' });
        return { result: key };
      }),
    );
    for (const key of ['m1', 'm2']) deliver(key, 'a', 'b');
    deliver('m3', 'own');
    for (const key of ['m1', 'm2', 'm3']) await until(() => givenBack(key));
    back = true;
    expect(await consumer.wake('something else')).toBe(0);
    expect(await consumer.wake('server')).toBe(2);
    for (const key of ['m1', 'm2']) await until(async () => (await bed.inbox(key))?.state === 30);
    expect(await bed.inbox('m3')).toMatchObject({ state: 10 });
  });

  it('are found by a later call when their message was just being given back', async () => {
    await bed.run(
      sender(async () => {
        throw new EffectDeferred('away', { waitMs: AN_HOUR, waitsFor: 'server' });
      }),
    );
    deliver('m', 'a');
    await until(() => givenBack('m'));
    const { knex } = bed.store;
    // The message's round still has it, while its effect stands as given back.
    await knex('tpc_inbox').where({ message_key: 'm' }).update({ claim: 'round' });
    await wakeEffects(knex, GROUP, 'server');
    await knex('tpc_inbox').where({ message_key: 'm' }).update({ claim: null });
    await wakeEffects(knex, GROUP, 'server');
    await until(async () => Number((await bed.inbox('m'))?.attempts) > 1);
  });
});
