import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_POLICIES } from '../create-store.ts';
import { consumed, copiesOf, dueInMs, eventsOf, itemOf, letTimePass, newClaim, PRODUCER, rowOf, startSending, subscribe } from './fixtures.ts';
import { STORES, type TestStore } from './stores.ts';

const key = (n: number | string) => `${PRODUCER}:${n}`;

describe.each(STORES)('publishing, on %s', (_name, open) => {
  let test: TestStore;
  beforeAll(async () => {
    test = await open();
  });
  afterAll(() => test.close());
  beforeEach(() => test.reset());

  it('a confirmed message belongs to its confirmer until the lease runs out, then to whoever claims it', async () => {
    await subscribe(test);
    const claim = newClaim();
    await startSending(test, claim, key(1));
    expect(await test.replica.claimDueToPublish(10, newClaim())).toEqual([]);
    await letTimePass(test);
    const taken = await test.replica.claimDueToPublish(10, newClaim());
    expect(taken).toMatchObject([{ messageKey: key(1), content: { tag: 'ACTIVE_USER' } }]);
    expect(await test.store.claimDueToPublish(10, newClaim())).toEqual([]);
  });

  it('a late result of a lost claim changes nothing', async () => {
    await subscribe(test);
    const lost = newClaim();
    const [item] = await startSending(test, lost, key(1));
    await letTimePass(test);
    const taken = newClaim();
    await test.replica.claimDueToPublish(10, taken);
    const messageId = item?.messageId as number;
    for (const outcome of ['published', 'retry', 'refused'] as const)
      expect(await test.store.recordPublishResults(lost.token, [{ messageId, outcome, attempts: 0 }])).toBe(0);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 20, claim: taken.token, publishes: 0 });
    expect(await test.replica.recordPublishResults(taken.token, [{ messageId, outcome: 'published', attempts: 0 }])).toBe(1);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 20, claim: null, publishes: 1 });
    await letTimePass(test);
    expect(await test.store.claimDueToPublish(10, newClaim())).toEqual([]);
  });

  it('a result for a message that was consumed meanwhile changes nothing', async () => {
    await subscribe(test);
    const claim = newClaim();
    const [item] = await startSending(test, claim, key(1));
    await test.store.markDeliveries([consumed(key(1))]);
    const messageId = item?.messageId as number;
    expect(await test.store.recordPublishResults(claim.token, [{ messageId, outcome: 'published', attempts: 0 }])).toBe(0);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 30, publishes: 1, lane: null });
  });

  it('a published message is not due again by itself', async () => {
    await subscribe(test);
    const claim = newClaim();
    const [item] = await startSending(test, claim, key(1));
    await test.store.recordPublishResults(claim.token, [{ messageId: item?.messageId as number, outcome: 'published', attempts: 0 }]);
    await letTimePass(test);
    expect(await test.store.claimDueToPublish(10, newClaim())).toEqual([]);
  });

  it('while the broker is away a message waits longer after each try, up to the cap, for ever', async () => {
    await subscribe(test);
    let claim = newClaim();
    let items = await startSending(test, claim, key(1));
    const waits: number[] = [];
    for (let n = 0; n < 10; n++) {
      const { messageId, attempts } = items[0] as { messageId: number; attempts: number };
      expect(await test.store.recordPublishResults(claim.token, [{ messageId, outcome: 'retry', attempts }])).toBe(1);
      waits.push((await dueInMs(test, key(1))) as number);
      expect(await test.store.claimDueToPublish(10, newClaim())).toEqual([]);
      await letTimePass(test);
      claim = newClaim();
      items = await test.store.claimDueToPublish(10, claim);
      expect(items).toMatchObject([{ attempts: n + 1 }]);
    }
    expect(waits[3]).toBeGreaterThan(waits[0] as number);
    expect(waits.at(-1)).toBeLessThanOrEqual(DEFAULT_POLICIES.publish.maxWaitMs);
    expect((await rowOf(test, key(1))).state).toBe(20);
  });

  it('a message that the broker refuses for good is DEAD with its reason, and its copies are not due', async () => {
    await subscribe(test);
    const claim = newClaim();
    const [item] = await startSending(test, claim, key(1));
    const result = { messageId: item?.messageId as number, outcome: 'refused' as const, attempts: 0, detail: 'body too large' };
    expect(await test.store.recordPublishResults(claim.token, [result])).toBe(1);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 50, reason: 'BROKER_REFUSED', attention: 1, lane: null });
    expect(await eventsOf(test, key(1))).toEqual(['BROKER_REFUSED']);
    await letTimePass(test);
    expect((await copiesOf(test, key(1)))[0]?.due_at).toBeNull();
    expect((await test.store.getMessage(key(1), { includeBody: false }))?.message.reason).toBe('BROKER_REFUSED: body too large');
  });

  it('the backlog of one producer group does not stand in front of another', async () => {
    await subscribe(test);
    const many = Array.from({ length: 40 }, (_, n) => itemOf(key(n)));
    const late = itemOf('PID_LATE:1', { producerGroup: 'PID_LATE' });
    const committed = [...many, late].map((item) => ({ ...item, committed: true }));
    await test.store.saveAndSendMessages(committed, newClaim());
    await letTimePass(test);
    await test.sql("UPDATE message SET due_at = 2 WHERE message_key = 'PID_LATE:1'");
    const claimed = await test.store.claimDueToPublish(10, newClaim());
    expect(claimed).toHaveLength(10);
    expect(claimed.map((item) => item.messageKey)).toContain('PID_LATE:1');
  });

  it('takes no more bodies at once than memory should hold', async () => {
    await subscribe(test);
    const big = Array.from({ length: 12 }, (_, n) => itemOf(key(n), { body: Buffer.alloc(1024 * 1024, n) }));
    for (const item of big) await test.store.saveAndSendMessages([{ ...item, committed: true }], newClaim());
    await letTimePass(test);
    const first = await test.store.claimDueToPublish(100, newClaim());
    expect(first.length).toBeLessThanOrEqual(8);
    expect(first.length).toBeGreaterThan(0);
    expect(first.length + (await test.store.claimDueToPublish(100, newClaim())).length).toBe(12);
  });

  it('claims nothing when nothing is due', async () => {
    expect(await test.store.claimDueToPublish(10, newClaim())).toEqual([]);
    expect(await test.store.recordPublishResults(1, [])).toBe(0);
  });
});
