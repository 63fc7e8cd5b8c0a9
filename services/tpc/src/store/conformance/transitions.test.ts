import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { moveOf, PLACES, type Place, placeOf, type StoredPlace, stateOf } from '../../domain/message-transitions.ts';
import { CancelKind, MessageState, Verdict } from '../../domain/states.ts';
import { consumed, itemOf, newClaim, PRODUCER, prepare, publish, rowOf, STORE_ID, subscribe } from './fixtures.ts';
import { STORES, type TestStore } from './stores.ts';

const KEY = `${PRODUCER}:1`;

/** Brings the message to each place by the calls that lead there. */
const ARRANGE: Record<Place, (test: TestStore) => Promise<unknown>> = {
  UNKNOWN: async () => undefined,
  WAITING_CONFIRM: (test) => prepare(test, KEY),
  SENDING: (test) => publish(test, KEY),
  FINISHED: async (test) => {
    await publish(test, KEY);
    await test.store.markDeliveries([consumed(KEY)]);
  },
  ABORTED: async (test) => {
    await prepare(test, KEY);
    await test.store.deleteMessages([{ producerGroup: PRODUCER, messageKey: KEY }]);
  },
  ROLLED_BACK: async (test) => {
    await prepare(test, KEY);
    await test.store.applyVerdicts([{ producerGroup: PRODUCER, storeId: STORE_ID, messageKey: KEY, verdict: Verdict.ROLLED_BACK }], newClaim());
  },
  REVOKED: async (test) => {
    await prepare(test, KEY);
    await test.sql(`UPDATE message SET state = ${MessageState.CANCELLED}, cancel_kind = ${CancelKind.REVOKED}, lane = NULL, due_at = NULL`);
  },
  DEAD: async (test) => {
    const items = await publish(test, KEY);
    await test.sql('UPDATE message SET claim = 1');
    await test.store.recordPublishResults(1, [{ messageId: items[0]?.messageId ?? 0, outcome: 'refused', attempts: 0 }]);
  },
};

type Answer = { state?: number; refused?: string };
type Call = { event: 'save' | 'confirm' | 'commit' | 'delete' | 'rolledBack'; act: (test: TestStore) => Promise<Answer | undefined> };

const CALLS: Record<string, Call> = {
  saveMessages: { event: 'save', act: async (test) => (await test.store.saveMessages([itemOf(KEY)]))[0] },
  confirmMessages: {
    event: 'confirm',
    act: async (test) => (await test.store.confirmMessages([{ producerGroup: PRODUCER, messageKey: KEY }], newClaim())).results[0],
  },
  'verdict COMMITTED': { event: 'confirm', act: (test) => verdict(test, Verdict.COMMITTED) },
  'saveAndSendMessages, committed': {
    event: 'commit',
    act: async (test) => (await test.store.saveAndSendMessages([{ ...itemOf(KEY), committed: true }], newClaim())).results[0],
  },
  deleteMessages: { event: 'delete', act: async (test) => (await test.store.deleteMessages([{ producerGroup: PRODUCER, messageKey: KEY }]))[0] },
  'verdict ROLLED_BACK': { event: 'rolledBack', act: (test) => verdict(test, Verdict.ROLLED_BACK) },
};

async function verdict(test: TestStore, value: Verdict): Promise<Answer | undefined> {
  const item = { producerGroup: PRODUCER, storeId: STORE_ID, messageKey: KEY, verdict: value };
  return (await test.store.applyVerdicts([item], newClaim())).results[0];
}

async function placeNow(test: TestStore): Promise<Place> {
  const rows = await test.sql('SELECT id FROM message');
  return rows.length === 0 ? 'UNKNOWN' : placeOf(await rowOf(test, KEY));
}

describe.each(STORES)('each call in each state, on %s', (_name, open) => {
  let test: TestStore;
  beforeAll(async () => {
    test = await open();
  });
  afterAll(() => test.close());
  beforeEach(() => test.reset());

  const cases = Object.entries(CALLS).flatMap(([name, call]) => PLACES.map((place) => [name, place, call] as const));

  it.each(cases)('%s at %s moves as the table says, and its repetition changes nothing more', async (_call, place, { event, act }) => {
    await subscribe(test);
    await ARRANGE[place](test);
    expect(await placeNow(test)).toBe(place);
    const move = moveOf(place, event);
    const after = move.to ?? place;
    const expected: Answer = move.refuse === undefined ? { state: stateOf(after as StoredPlace) } : { refused: move.refuse };

    expect(await act(test)).toMatchObject(expected);
    expect(await placeNow(test)).toBe(after);
    if (after !== 'UNKNOWN' && move.attention !== undefined) expect((await rowOf(test, KEY)).attention).toBe(1);

    const again = moveOf(after, event);
    const repeated: Answer = again.refuse === undefined ? { state: stateOf((again.to ?? after) as StoredPlace) } : { refused: again.refuse };
    expect(await act(test)).toMatchObject(repeated);
    expect(await placeNow(test)).toBe(after);
  });

  it.each(PLACES)('saveAndSendMessages, not committed, at %s is refused where a save is, and sends else', async (place) => {
    await subscribe(test);
    await ARRANGE[place](test);
    const refused = moveOf(place, 'save').refuse;
    const after = refused === undefined ? (moveOf(place, 'commit').to ?? place) : place;
    const [result] = (await test.store.saveAndSendMessages([{ ...itemOf(KEY), committed: false }], newClaim())).results;
    expect(result).toMatchObject(refused === undefined ? { state: stateOf(after as StoredPlace) } : { refused });
    expect(await placeNow(test)).toBe(after);
  });
});
