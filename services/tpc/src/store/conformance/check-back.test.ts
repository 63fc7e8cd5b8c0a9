import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Verdict } from '../../domain/states.ts';
import { DEFAULT_POLICIES } from '../create-store.ts';
import { dueInMs, eventsOf, itemOf, letTimePass, newClaim, PRODUCER, prepare, rowOf, STORE_ID, subscribe } from './fixtures.ts';
import { STORES, type TestStore } from './stores.ts';

const key = (n: number | string) => `${PRODUCER}:${n}`;
const OWNER = { producerGroup: PRODUCER, storeId: STORE_ID };
const verdict = (messageKey: string, value: Verdict, storeId = STORE_ID) => ({ producerGroup: PRODUCER, storeId, messageKey, verdict: value });

describe.each(STORES)('check-back, on %s', (_name, open) => {
  let test: TestStore;
  beforeAll(async () => {
    test = await open();
  });
  afterAll(() => test.close());
  beforeEach(() => test.reset());

  it('asks for nothing before the first wait has run out', async () => {
    await subscribe(test);
    await prepare(test, key(1));
    expect(await test.store.claimUncertain(OWNER, 10)).toEqual([]);
    const wait = await test.store.nextUncertainInMs(OWNER);
    expect(wait).toBeGreaterThan(0);
    expect(wait).toBeLessThanOrEqual(DEFAULT_POLICIES.check.firstWaitMs);
  });

  it('asks an owner for its due messages, each once for each wait, and counts', async () => {
    await subscribe(test);
    await prepare(test, key(1), key(2), key(3));
    await letTimePass(test);
    expect(await test.store.nextUncertainInMs(OWNER)).toBe(0);
    const first = await test.store.claimUncertain(OWNER, 2);
    const second = await test.replica.claimUncertain(OWNER, 10);
    expect([...first, ...second].map((message) => message.messageKey).sort()).toEqual([key(1), key(2), key(3)]);
    expect(first[0]).toMatchObject({ topic: 'SEND_EMAIL_TOPIC', checkCount: 0 });
    expect(first[0]?.createdAt).toBeGreaterThan(0);
    expect(await test.store.claimUncertain(OWNER, 10)).toEqual([]);
    await letTimePass(test);
    expect((await test.store.claimUncertain(OWNER, 10)).map((message) => message.checkCount)).toEqual([1, 1, 1]);
  });

  it('waits longer after each check, up to the cap, and never gives up', async () => {
    await subscribe(test);
    await prepare(test, key(1));
    const waits: number[] = [];
    for (let n = 0; n < 8; n++) {
      await letTimePass(test);
      expect(await test.store.claimUncertain(OWNER, 10)).toHaveLength(1);
      waits.push((await dueInMs(test, key(1))) as number);
    }
    expect(waits[1]).toBeGreaterThan(waits[0] as number);
    expect(waits.at(-1)).toBeLessThanOrEqual(DEFAULT_POLICIES.check.maxWaitMs);
    expect(waits.at(-1)).toBeGreaterThan(DEFAULT_POLICIES.check.maxWaitMs * 0.9);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 10, checks: 8 });
  });

  it('never asks an instance on another store, nor another group', async () => {
    await subscribe(test);
    await prepare(test, key(1));
    await letTimePass(test);
    expect(await test.store.claimUncertain({ producerGroup: PRODUCER, storeId: 'copy-of-outbox' }, 10)).toEqual([]);
    expect(await test.store.claimUncertain({ producerGroup: 'PID_OTHER', storeId: STORE_ID }, 10)).toEqual([]);
    expect(await test.store.nextUncertainInMs({ producerGroup: PRODUCER, storeId: '' })).toBeUndefined();
    expect(await test.store.claimUncertain(OWNER, 10)).toHaveLength(1);
  });

  it('takes no verdict from another store', async () => {
    await subscribe(test);
    await prepare(test, key(1));
    for (const value of [Verdict.COMMITTED, Verdict.ROLLED_BACK, Verdict.IN_PROGRESS]) {
      const { results } = await test.store.applyVerdicts([verdict(key(1), value, 'copy-of-outbox')], newClaim());
      expect(results).toMatchObject([{ refused: 'STORE_MISMATCH' }]);
    }
    expect((await rowOf(test, key(1))).state).toBe(10);
  });

  it('takes a batch of all verdicts, each for its own message', async () => {
    await subscribe(test);
    await prepare(test, key(1), key(2), key(3), key(4));
    const outcome = await test.store.applyVerdicts(
      [
        verdict(key(1), Verdict.IN_PROGRESS),
        verdict(key(2), Verdict.COMMITTED),
        verdict(key(9), Verdict.COMMITTED),
        verdict(key(3), Verdict.ROLLED_BACK),
        verdict(key(4), Verdict.NONE),
        verdict(key(8), Verdict.NONE),
      ],
      newClaim(),
    );
    expect(outcome.results).toMatchObject([
      { state: 10 },
      { state: 20 },
      { refused: 'MESSAGE_NOT_FOUND' },
      { state: 40 },
      { state: 10 },
      { refused: 'MESSAGE_NOT_FOUND' },
    ]);
    expect(outcome.publish.map((item) => item.messageKey)).toEqual([key(2)]);
    expect(await rowOf(test, key(3))).toMatchObject({ state: 40, cancel_kind: 2 });
  });

  it('leaves a message waiting whose producer says IN_PROGRESS or nothing, however often', async () => {
    await subscribe(test);
    await prepare(test, key(1));
    for (let n = 0; n < 3; n++) {
      await letTimePass(test);
      await test.store.claimUncertain(OWNER, 10);
      await test.store.applyVerdicts([verdict(key(1), n === 1 ? Verdict.NONE : Verdict.IN_PROGRESS)], newClaim());
    }
    expect(await rowOf(test, key(1))).toMatchObject({ state: 10, checks: 3, attention: null });
    expect(await dueInMs(test, key(1))).toBeGreaterThan(0);
    expect(await eventsOf(test, key(1))).toEqual(['CHECKED', 'CHECKED']);
  });

  it('counts the first of two contradicting verdicts in one batch, and alerts', async () => {
    await subscribe(test);
    await prepare(test, key(1));
    const { results } = await test.store.applyVerdicts([verdict(key(1), Verdict.ROLLED_BACK), verdict(key(1), Verdict.COMMITTED)], newClaim());
    expect(results).toMatchObject([{ state: 40 }, { refused: 'KEY_ROLLED_BACK' }]);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 40, cancel_kind: 2, attention: 1 });
  });

  it('asks about the newest store id of a message that was prepared again elsewhere', async () => {
    await subscribe(test);
    await prepare(test, key(1));
    await test.store.deleteMessages([{ producerGroup: PRODUCER, messageKey: key(1) }]);
    await test.store.saveMessages([itemOf(key(1), { storeId: 'outbox-2' })]);
    await letTimePass(test);
    expect(await test.store.claimUncertain(OWNER, 10)).toEqual([]);
    expect(await test.store.claimUncertain({ producerGroup: PRODUCER, storeId: 'outbox-2' }, 10)).toHaveLength(1);
  });
});
