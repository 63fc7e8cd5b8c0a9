import { inspect } from 'node:util';
import type { BrokerSubscriberOptions } from '@tpc/broker';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../test/support/until.ts';
import { TestBed, TOPIC } from '../../test/consumer-kit.ts';
import { STORES } from '../../test/stores.ts';
import type { Log } from '../log.ts';

const SECRET = 'ann-private-words';

describe.each(STORES)('what the consumer tells on %s', (_name, makeStore) => {
  let bed: TestBed;
  let told: unknown[];
  let log: Log;
  beforeEach(async () => {
    bed = await TestBed.open(makeStore);
    told = [];
    const tell = (fields: object, message: string) => void told.push(fields, message);
    log = { debug: tell, info: tell, warn: tell, error: tell };
  });
  afterEach(() => bed.close());

  /** Everything that was told, also in the hexadecimal form that statements have. */
  function expectDiscreet(): void {
    const text = inspect(told, { depth: null, maxStringLength: null, maxArrayLength: null }).toLowerCase();
    expect(text).toContain('database error');
    for (const form of [SECRET, Buffer.from(SECRET).toString('hex')]) expect(text).not.toContain(form);
  }

  it('shows no body when the inbox cannot store it, neither in its log nor to the broker', async () => {
    await bed.run(
      { handle: async () => {} },
      {
        log,
        subscribe: (options: BrokerSubscriberOptions) =>
          bed.broker.subscribe({
            ...options,
            onBatch: (messages) =>
              options.onBatch(messages).catch((error: unknown) => {
                told.push(error, String(error));
                throw error;
              }),
          }),
      },
    );
    await bed.store.knex.schema.renameTable('tpc_inbox', 'tpc_inbox_away');
    bed.broker.deliver({ messageKey: 's1', topic: TOPIC, body: SECRET });
    await until(() => bed.broker.redelivered('CID_TEST') > 0);
    await bed.store.knex.schema.renameTable('tpc_inbox_away', 'tpc_inbox');
    expectDiscreet();
  });

  it('shows no value of a statement of a handler that failed: not in its log, not in the inbox, not to TPC', async () => {
    await bed.run({ handle: async (tx) => void (await tx('nowhere').insert({ words: SECRET })) }, { log });
    bed.broker.deliver({ messageKey: 's2', topic: TOPIC, body: 'x' });
    await until(() => bed.heard('failed').length > 0);
    told.push(bed.heard('failed'), await bed.inbox('s2'));
    expectDiscreet();
    expect(bed.heard('failed')[0]?.detail).toMatch(/nowhere/);
  });

  it('shows no payload of effects that could not be planned', async () => {
    await bed.store.knex.schema.renameTable('tpc_inbox_effect', 'tpc_inbox_effect_away');
    await bed.run(
      {
        effects: () => [{ key: 'a', payload: { to: SECRET } }],
        run: async () => ({}),
        timeoutMs: 100,
        leaseMs: 200,
        onUncertain: 'repeat',
        concurrency: 1,
      },
      { log },
    );
    bed.broker.deliver({ messageKey: 's3', topic: TOPIC, body: 'x' });
    await until(() => bed.heard('failed').length > 0);
    await bed.store.knex.schema.renameTable('tpc_inbox_effect_away', 'tpc_inbox_effect');
    told.push(bed.heard('failed'), await bed.inbox('s3'));
    expectDiscreet();
  });
});
