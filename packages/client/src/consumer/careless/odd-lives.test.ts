import type { BrokerSubscriber, BrokerSubscriberOptions } from '@tpc/broker';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../../test/support/until.ts';
import { TestBed, TOPIC, takeEffect } from '../../../test/consumer-kit.ts';
import { STORES } from '../../../test/stores.ts';
import { silentLog } from '../../log.ts';
import type { Consumer } from '../types.ts';

describe.each(STORES)('a consumer in careless hands, on %s', (_name, makeStore) => {
  let bed: TestBed;
  beforeEach(async () => {
    bed = await TestBed.open(makeStore);
  });
  afterEach(() => bed.close());

  const deliver = (count: number) => {
    const keys = Array.from({ length: count }, (_, n) => `m${n}`);
    bed.broker.deliver(...keys.map((messageKey) => ({ messageKey, topic: TOPIC, body: 'x' })));
    return keys;
  };
  const effects = async (keys: readonly string[]) => Promise.all(keys.map((key) => bed.took(key)));
  const allConsumed = (keys: readonly string[]) => async () =>
    (await Promise.all(keys.map((key) => bed.inbox(key)))).every((row) => row?.state === 30);

  it('twice in one process takes each message once', async () => {
    await bed.run({ handle: takeEffect });
    await bed.run({ handle: takeEffect });
    const keys = deliver(60);
    await until(allConsumed(keys));
    expect(await effects(keys)).toEqual(keys.map(() => 1));
  });

  it('that is stopped by its own handler ends, and what it has not done is done by the next', async () => {
    let consumer: Consumer | undefined;
    let stopped = 0;
    consumer = await bed.run({
      async handle(tx, message) {
        await takeEffect(tx, message);
        if (message.messageKey === 'm3') {
          await consumer?.stop(1_500);
          stopped++;
        }
      },
    });
    const keys = deliver(10);
    await until(() => stopped === 1);
    await bed.run({ handle: takeEffect });
    await until(allConsumed(keys));
    expect(await effects(keys)).toEqual(keys.map(() => 1));
  });

  it('whose handler never returns goes on with the others, and gives that message up', async () => {
    await bed.run(
      {
        async handle(tx, message) {
          await takeEffect(tx, message);
          if (message.messageKey === 'm0') await new Promise(() => undefined);
        },
      },
      { handlerTimeoutMs: 300 },
    );
    const keys = deliver(5);
    await until(async () => (await bed.inbox('m0'))?.state === 50);
    await until(allConsumed(keys.slice(1)));
    expect(await effects(keys)).toEqual([0, 1, 1, 1, 1]);
  });

  it('whose handler uses the transaction after its end takes effect once', async () => {
    const late: unknown[] = [];
    await bed.run({
      async handle(tx, message) {
        await takeEffect(tx, message);
        setTimeout(() => takeEffect(tx, message, 'late').catch((error) => late.push(error)), 50);
      },
    });
    const keys = deliver(5);
    await until(() => late.length === 5);
    await until(allConsumed(keys));
    expect(await effects(keys)).toEqual(keys.map(() => 1));
  });

  it.each([
    ['Infinity', Number.POSITIVE_INFINITY],
    ['2 ** 31', 2 ** 31],
  ])('with limits of %s waits for its handlers', async (_what, limit) => {
    const door = Promise.withResolvers<void>();
    const consumer = await bed.run(
      {
        async handle(tx, message) {
          await door.promise;
          await takeEffect(tx, message);
        },
      },
      { handlerTimeoutMs: limit, statementLimitMs: limit },
    );
    const keys = deliver(1);
    await until(() => consumer.state().handling === 1);
    setTimeout(() => door.resolve(), 200);
    await consumer.stop(limit);
    expect(await effects(keys)).toEqual([1]);
    expect(consumer.state().counters).toMatchObject({ consumed: 1, retried: 0 });
  });

  it('stopped before the broker was there says nothing of a fault', async () => {
    const errors: string[] = [];
    const note = (_fields: object, message: string) => void errors.push(message);
    const gone = Promise.withResolvers<never>();
    const subscribe = (options: BrokerSubscriberOptions): BrokerSubscriber => {
      const subscriber = bed.broker.subscribe(options);
      const stop = (deadlineMs: number) => {
        gone.reject(new Error('stopped before it was ready'));
        return subscriber.stop(deadlineMs);
      };
      return { start: () => subscriber.start(), state: () => subscriber.state(), ready: () => gone.promise, stop };
    };
    const consumer = bed.make({ handle: takeEffect }, { subscribe, log: { ...silentLog, error: note } });
    await consumer.start();
    await consumer.stop(1_000);
    expect(errors).toEqual([]);
  });
});
