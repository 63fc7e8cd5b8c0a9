import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../../test/support/until.ts';
import { TestBed, TOPIC } from '../../../test/consumer-kit.ts';
import { SPLIT_STORES, STORES } from '../../../test/stores.ts';
import { EffectState } from '../domain/states.ts';
import { EffectFailed, EffectUncertain } from '../errors.ts';
import type { EffectHandler, EffectPlan } from '../types.ts';

/** One effect for each recipient named in the body. */
function mailer(send: EffectHandler['run'], options: Partial<EffectHandler> = {}): EffectHandler {
  return {
    effects: (message): EffectPlan[] => (message.json() as string[]).map((to) => ({ key: to, payload: { to } })),
    run: send,
    timeoutMs: 5_000,
    leaseMs: 6_000,
    onUncertain: 'repeat',
    concurrency: 4,
    ...options,
  };
}

describe.each([...STORES, ...SPLIT_STORES.slice(0, 1)])('effects on %s', (_name, makeStore) => {
  let bed: TestBed;
  beforeEach(async () => {
    bed = await TestBed.open(makeStore);
  });
  afterEach(() => bed.close());

  const deliver = (messageKey: string, ...recipients: string[]) => bed.broker.deliver({ messageKey, topic: TOPIC, body: JSON.stringify(recipients) });
  const ended = (key: string, state: number) => async () => (await bed.inbox(key))?.state === state;

  it('runs one for each recipient, keeps what the outside answered, and marks the message consumed with the last', async () => {
    const sent: unknown[] = [];
    await bed.run(
      mailer(async (effect, message, { effectId, attempt }) => {
        sent.push([effect.payload, message.messageKey, effectId, attempt]);
        return { result: `250 ${effect.key}` };
      }),
    );
    deliver('m1', 'a', 'b', 'a');
    await until(() => bed.heard('consumed').length > 0);
    expect(sent.sort()).toEqual([
      [{ to: 'a' }, 'm1', 'm1/1/a', 1],
      [{ to: 'b' }, 'm1', 'm1/1/b', 1],
    ]);
    expect((await bed.effects('m1')).map(({ effect_key, state, result, attempts }) => [effect_key, state, result, attempts])).toEqual([
      ['a', EffectState.DONE, '250 a', 1],
      ['b', EffectState.DONE, '250 b', 1],
    ]);
    expect(await bed.inbox('m1')).toMatchObject({ state: 30, open_effects: 0, due_at: null });
  });

  it('repeats only the recipient that failed, under the same id', async () => {
    const sent: string[] = [];
    await bed.run(
      mailer(async (effect, _message, { effectId, attempt }) => {
        sent.push(effectId);
        if (effect.key === 'b' && attempt < 3) throw new Error('450 try later');
        return {};
      }),
    );
    deliver('m2', 'a', 'b', 'c');
    await until(ended('m2', 30));
    expect(sent.sort()).toEqual(['m2/1/a', 'm2/1/b', 'm2/1/b', 'm2/1/b', 'm2/1/c']);
  });

  it('goes on with the others when one recipient has finally failed, and reports the message dead with the reason', async () => {
    await bed.run(
      mailer(async (effect) => {
        if (effect.key === 'b') throw new EffectFailed('RECIPIENT_REFUSED', '550 unknown user');
        return {};
      }),
    );
    deliver('m3', 'a', 'b', 'c');
    await until(() => bed.heard('failed').length > 0);
    expect(bed.heard('failed')).toEqual([
      { messageKey: 'm3', generation: 1, reason: 'RECIPIENT_REFUSED', detail: '1 of 3 effects: b: RECIPIENT_REFUSED: 550 unknown user' },
    ]);
    expect((await bed.effects('m3')).map((effect) => effect.state)).toEqual([EffectState.DONE, EffectState.DEAD, EffectState.DONE]);
    expect(bed.heard('consumed')).toEqual([]);
  });

  it('gives an effect up when its tries are used up', async () => {
    let tries = 0;
    await bed.run(
      mailer(async () => {
        tries++;
        throw new Error('450');
      }),
    );
    deliver('m4', 'a');
    await until(() => bed.heard('failed').length > 0);
    expect(tries).toBe(3);
    expect(bed.heard('failed')[0]).toMatchObject({ messageKey: 'm4', reason: 'RETRIES_EXHAUSTED' });
  });

  it('consumes a message that asks for no effect', async () => {
    await bed.run(mailer(async () => ({})));
    deliver('none');
    await until(() => bed.heard('consumed').length > 0);
    expect(await bed.inbox('none')).toMatchObject({ state: 30 });
  });

  it('reports a message whose effects cannot be planned as bad', async () => {
    await bed.run(mailer(async () => ({})));
    bed.broker.deliver({ messageKey: 'odd', topic: TOPIC, body: 'not json' });
    await until(() => bed.heard('failed').length > 0);
    expect(bed.heard('failed')[0]).toMatchObject({ messageKey: 'odd', reason: 'BAD_MESSAGE', detail: 'the body is not JSON' });
  });

  it('tries again after a time-out when it may repeat', async () => {
    const signals: AbortSignal[] = [];
    await bed.run(
      mailer(
        async (_effect, _message, { attempt, signal }) => {
          signals.push(signal);
          if (attempt === 1) await new Promise(() => {});
          return { result: `try ${attempt}` };
        },
        { timeoutMs: 50 },
      ),
    );
    deliver('slow', 'a');
    await until(ended('slow', 30));
    expect(signals[0]?.aborted).toBe(true);
    expect(await bed.effects('slow')).toMatchObject([{ result: 'try 2', attempts: 2 }]);
  });

  it('holds an effect with an unknown outcome for an operator when it must not repeat', async () => {
    let tries = 0;
    await bed.run(
      mailer(
        async (effect) => {
          tries++;
          if (effect.key === 'lost') throw new EffectUncertain('the reply was lost');
          return {};
        },
        { onUncertain: 'hold' },
      ),
    );
    deliver('sms', 'lost', 'other');
    await until(() => bed.heard('failed').length > 0);
    expect(bed.heard('failed')[0]).toMatchObject({ messageKey: 'sms', reason: 'EFFECT_UNCERTAIN' });
    expect((await bed.effects('sms')).map(({ effect_key, state }) => [effect_key, state])).toEqual([
      ['lost', EffectState.HELD],
      ['other', EffectState.DONE],
    ]);
    expect(tries).toBe(2);
  });

  it('holds an effect that did not end in time when it must not repeat, and tries it no more', async () => {
    let tries = 0;
    const never = async (): Promise<{ result?: string }> => {
      tries++;
      return new Promise(() => {});
    };
    await bed.run(mailer(never, { timeoutMs: 50, onUncertain: 'hold' }));
    deliver('late-sms', 'a');
    await until(() => bed.heard('failed').length > 0);
    expect(bed.heard('failed')[0]).toMatchObject({ messageKey: 'late-sms', reason: 'EFFECT_UNCERTAIN' });
    expect(await bed.effects('late-sms')).toMatchObject([{ state: EffectState.HELD, attempts: 1, reason: 'EFFECT_UNCERTAIN' }]);
    expect(tries).toBe(1);
  });

  /** A process that dies right after an act: its pool is gone, so it can record nothing more. */
  async function dieAfterTheAct(onUncertain: 'repeat' | 'hold'): Promise<string[]> {
    const sent: string[] = [];
    const dying = bed.store.second();
    await bed.run(
      mailer(
        async (_effect, _message, { effectId }) => {
          sent.push(effectId);
          await dying.destroy();
          return {};
        },
        { onUncertain, leaseMs: 1_000, timeoutMs: 300 },
      ),
      { knex: dying, leaseMs: 1_200 },
    );
    deliver('crash', 'a');
    await until(() => sent.length === 1);
    await bed.run(
      mailer(
        async (_effect, _message, { effectId }) => {
          sent.push(effectId);
          return {};
        },
        { onUncertain, leaseMs: 1_000, timeoutMs: 300 },
      ),
    );
    return sent;
  }

  it('repeats an effect under the same id when the process died between the act and its record', async () => {
    const sent = await dieAfterTheAct('repeat');
    await until(ended('crash', 30));
    expect(sent).toEqual(['crash/1/a', 'crash/1/a']);
    expect(await bed.effects('crash')).toMatchObject([{ state: EffectState.DONE, attempts: 2 }]);
  });

  it('holds an effect when the process died between the act and its record and it must not repeat', async () => {
    const sent = await dieAfterTheAct('hold');
    await until(ended('crash', 50));
    expect(sent).toEqual(['crash/1/a']);
    expect(await bed.effects('crash')).toMatchObject([{ state: EffectState.HELD, attempts: 1 }]);
  });

  it('takes a late success for a fact, also when the effect was held meanwhile', async () => {
    let finish: () => void = () => {};
    await bed.run(
      mailer(
        async () => {
          await new Promise<void>((resolve) => {
            finish = resolve;
          });
          return { result: 'late' };
        },
        { timeoutMs: 50, onUncertain: 'hold' },
      ),
    );
    deliver('late', 'a');
    await until(ended('late', 50));
    finish();
    await until(ended('late', 30));
    expect(await bed.effects('late')).toMatchObject([{ state: EffectState.DONE, result: 'late' }]);
    await until(() => bed.heard('consumed').length > 0);
  });

  it('keeps settled effects settled when another instance takes the message over', async () => {
    const sent: string[] = [];
    const first = await bed.run(
      mailer(async (effect) => {
        sent.push(`first ${effect.key}`);
        if (effect.key === 'b') throw new Error('450');
        return {};
      }),
      { retry: { firstWaitMs: 600_000, factor: 1, maxWaitMs: 600_000, jitter: 0, maxAttempts: 9 } },
    );
    deliver('move', 'a', 'b');
    await until(() => first.state().counters.retried === 1);
    await first.stop(2_000);
    await bed.store.knex('tpc_inbox').update({ due_at: 0 });
    await bed.store.knex('tpc_inbox_effect').whereNotNull('lease_until').update({ lease_until: 0 });
    await bed.run(
      mailer(async (effect) => {
        sent.push(`second ${effect.key}`);
        return {};
      }),
    );
    await until(ended('move', 30));
    expect(sent.sort()).toEqual(['first a', 'first b', 'second b']);
  });

  it('lets a message with few recipients pass those with many, and loses none of theirs', async () => {
    const door = Promise.withResolvers<void>();
    const sent: string[] = [];
    await bed.run(
      mailer(
        async (_effect, _message, { effectId }) => {
          sent.push(effectId);
          if (sent.length <= 2) await door.promise;
          return {};
        },
        { concurrency: 2 },
      ),
    );
    const many = Array.from({ length: 150 }, (_, n) => `r${n}`);
    for (const key of ['big1', 'big2']) deliver(key, ...many);
    await until(() => sent.length === 2);
    deliver('small', 'a');
    await until(async () => (await bed.inbox('small')) !== undefined);
    door.resolve();
    for (const key of ['big1', 'big2', 'small']) await until(ended(key, 30));
    expect(sent.indexOf('small/1/a')).toBeLessThan(250);
    expect(new Set(sent).size).toBe(301);
    expect(sent).toHaveLength(301);
    expect(await bed.inbox('big1')).toMatchObject({ attempts: 1, lone_claims: 0, open_effects: 0 });
  });
});
