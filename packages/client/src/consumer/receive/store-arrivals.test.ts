import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PACKET_STORES, SPLIT_STORES, type TestStore } from '../../../test/stores.ts';
import { migrateClientStore } from '../../migrations/index.ts';
import type { InboxRow } from '../domain/inbox-row.ts';
import { storeArrivals } from './store-arrivals.ts';

const GROUP = 'G';
const TIMES = { leaseMs: 60_000, reportAfterMs: 10_000 };

const item = (messageKey: string, claim: string | undefined, generation = 1, topic = 'T') => ({
  row: {
    messageKey,
    generation,
    topic,
    producerGroup: 'P',
    brokerMessageId: '',
    tag: '',
    body: Buffer.from('x'),
    contentType: '',
    headers: {},
    traceparent: '',
    tracestate: '',
    attempts: 0,
    openEffects: 0,
  } satisfies InboxRow,
  claim,
  dead: undefined,
});

describe.each([...PACKET_STORES, ...SPLIT_STORES])('storeArrivals on %s', (_name, makeStore) => {
  let store: TestStore;
  beforeEach(async () => {
    store = await makeStore();
    await migrateClientStore(store.knex);
  });
  afterEach(() => store.drop());

  const arrive = async (...items: ReturnType<typeof item>[]) => (await storeArrivals(store.knex, GROUP, items, TIMES)).map((arrival) => arrival.kind);
  const keys = () =>
    (store.observer ?? store.knex)('tpc_inbox').orderBy(['message_key', 'generation']).select('message_key', 'generation', 'claim', 'state');

  it('stores what is new beside what is there already', async () => {
    expect(await arrive(item('b', 'first'))).toEqual(['new']);
    expect(await arrive(item('a', 't'), item('b', 't'), item('c', undefined))).toEqual(['new', 'duplicate', 'new']);
    expect(await keys()).toEqual([
      { message_key: 'a', generation: 1, claim: 't', state: 10 },
      { message_key: 'b', generation: 1, claim: 'first', state: 10 },
      { message_key: 'c', generation: 1, claim: null, state: 10 },
    ]);
  });

  it('counts one of several deliveries in a batch, and owns it once', async () => {
    expect((await arrive(item('a', 't1'), item('a', 't2'), item('a', 't3'))).sort()).toEqual(['new', 'repeated', 'repeated']);
    expect(await keys()).toHaveLength(1);
  });

  it('knows its own row again when the answer of an earlier try was lost', async () => {
    await arrive(item('a', 'mine'));
    expect(await arrive(item('a', 'mine'), item('b', 'mine'))).toEqual(['new', 'new']);
    expect(await keys()).toHaveLength(2);
  });

  it('drops an older generation, also when the newer one comes in the same batch', async () => {
    expect(await arrive(item('a', 't', 2), item('a', 't', 1))).toEqual(['new', 'older']);
    expect(await arrive(item('a', 't', 1), item('a', 't', 3))).toEqual(['older', 'new']);
    expect((await keys()).filter((row) => row.state === 10).map((row) => row.generation)).toEqual([2, 3]);
  });

  it('keeps groups apart', async () => {
    await arrive(item('a', 't'));
    expect((await storeArrivals(store.knex, 'H', [item('a', 't')], TIMES))[0]?.kind).toBe('new');
  });

  it('gives each delivery to exactly one of two instances that store at the same moment', async () => {
    const other = store.second();
    const all = Array.from({ length: 40 }, (_, n) => `k${n}`);
    const patiently = async (knex: typeof other, claim: string) => {
      for (;;) {
        try {
          return await storeArrivals(
            knex,
            GROUP,
            all.map((key) => item(key, `${claim} ${key}`)),
            TIMES,
          );
        } catch (error) {
          if ((error as { code?: string }).code !== 'SQLITE_BUSY') throw error;
        }
      }
    };
    const [one, two] = await Promise.all([patiently(store.knex, 'one'), patiently(other, 'two')]);
    const winners = all.map((_, n) => [one[n], two[n]].filter((arrival) => arrival?.kind === 'new').length);
    expect(winners.every((count) => count === 1)).toBe(true);
  });
});
