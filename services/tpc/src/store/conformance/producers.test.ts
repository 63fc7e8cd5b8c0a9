import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { contentHash } from '../../domain/content-hash.ts';
import {
  contentOf,
  copiesOf,
  dueInMs,
  eventsOf,
  itemOf,
  letTimePass,
  newClaim,
  PRODUCER,
  prepare,
  publish,
  rowOf,
  startSending,
  subscribe,
  TOPIC,
} from './fixtures.ts';
import { STORES, type TestStore } from './stores.ts';

const key = (n: number | string) => `${PRODUCER}:${n}`;
const confirmItem = (messageKey: string) => ({ producerGroup: PRODUCER, messageKey });

describe.each(STORES)('producers, on %s', (_name, open) => {
  let test: TestStore;
  beforeAll(async () => {
    test = await open();
  });
  afterAll(() => test.close());
  beforeEach(() => test.reset());

  it('a save stores all of the content, and it comes out of the confirm as it went in', async () => {
    await subscribe(test);
    const content = contentOf({ body: Buffer.from([0, 1, 2, 255, 39, 92]), headers: { a: "it's 你好 😀", b: '' } });
    await test.store.saveMessages([{ ...itemOf(key(1)), content }]);
    const { publish: items } = await test.store.confirmMessages([confirmItem(key(1))], newClaim());
    expect(items).toMatchObject([{ messageKey: key(1), producerGroup: PRODUCER, generation: 1, attempts: 0, content }]);
  });

  it('a save is refused when nobody subscribes the topic and tag', async () => {
    await subscribe(test, 'CID_X', TOPIC, ['OTHER']);
    expect(await test.store.saveMessages([itemOf(key(1))])).toMatchObject([{ refused: 'NO_SUBSCRIBER', metadata: { topic: TOPIC } }]);
    expect(await test.sql('SELECT id FROM message')).toEqual([]);
    await subscribe(test, 'CID_X', TOPIC, []);
    expect(await test.store.saveMessages([itemOf(key(1))])).toEqual([{ state: 10 }]);
  });

  it('one known key in a batch does not keep the others from being stored', async () => {
    await subscribe(test);
    await prepare(test, key(2));
    const results = await test.store.saveMessages([itemOf(key(1)), itemOf(key(2)), itemOf(key(3))]);
    expect(results).toEqual([{ state: 10 }, { state: 10 }, { state: 10 }]);
    expect(await test.sql('SELECT message_key FROM message ORDER BY message_key')).toEqual([1, 2, 3].map((n) => ({ message_key: key(n) })));
  });

  it('the same key twice in one batch is one message, and another content under it a conflict', async () => {
    await subscribe(test);
    const other = { ...itemOf(key(1)), content: contentOf({ body: Buffer.from('other') }) };
    const retraced = { ...itemOf(key(1)), content: contentOf({ traceparent: '', tracestate: '' }) };
    expect(await test.store.saveMessages([itemOf(key(1)), other, retraced])).toMatchObject([
      { state: 10 },
      { refused: 'KEY_CONFLICT' },
      { state: 10 },
    ]);
  });

  it('a key of another producer group is a conflict and is not told about', async () => {
    await subscribe(test);
    const uuid = '0198c0de-0000-7000-8000-000000000001';
    await prepare(test, uuid);
    const stranger = itemOf(uuid, { producerGroup: 'PID_OTHER' });
    expect(await test.store.saveMessages([stranger])).toMatchObject([{ refused: 'KEY_CONFLICT' }]);
    const asked = { producerGroup: 'PID_OTHER', messageKey: uuid };
    expect((await test.store.confirmMessages([asked], newClaim())).results).toMatchObject([{ refused: 'MESSAGE_NOT_FOUND' }]);
    expect(await test.store.deleteMessages([asked])).toMatchObject([{ refused: 'DELETE_FAILED' }]);
    expect((await rowOf(test, uuid)).state).toBe(10);
  });

  it('a save of an aborted key brings its body back', async () => {
    await subscribe(test);
    await prepare(test, key(1));
    await test.store.deleteMessages([confirmItem(key(1))]);
    await test.sql('UPDATE message SET body = NULL');
    expect((await test.store.confirmMessages([confirmItem(key(1))], newClaim())).results).toMatchObject([{ refused: 'CONTENT_NEEDED' }]);
    await prepare(test, key(1));
    const { publish: items } = await test.store.confirmMessages([confirmItem(key(1))], newClaim());
    expect(items).toMatchObject([{ content: contentOf() }]);
    expect(await eventsOf(test, key(1))).toEqual(['REVIVED']);
  });

  it('a confirm makes a copy for each group that takes the tag, and for no other', async () => {
    await subscribe(test, 'CID_TAG');
    await subscribe(test, 'CID_ALL', TOPIC, []);
    await subscribe(test, 'CID_BOTH', TOPIC, []);
    await subscribe(test, 'CID_BOTH');
    await subscribe(test, 'CID_OTHER_TAG', TOPIC, ['OTHER']);
    await subscribe(test, 'CID_OTHER_TOPIC', 'OTHER_TOPIC', []);
    await startSending(test, newClaim(), key(1));
    expect((await copiesOf(test, key(1))).map((copy) => copy.name)).toEqual(['CID_ALL', 'CID_BOTH', 'CID_TAG']);
    expect((await rowOf(test, key(1))).open_groups).toBe(3);
  });

  it('a confirm is never refused for want of a subscriber: the message is DEAD with its reason', async () => {
    await subscribe(test);
    await prepare(test, key(1));
    await test.sql('UPDATE subscription SET active = 0');
    const outcome = await test.store.confirmMessages([confirmItem(key(1))], newClaim());
    expect(outcome).toMatchObject({ results: [{ state: 50 }], publish: [] });
    expect(await rowOf(test, key(1))).toMatchObject({ state: 50, reason: 'NO_SUBSCRIBER', attention: 1 });
  });

  it('a key confirmed twice in one batch is published once', async () => {
    await subscribe(test);
    await prepare(test, key(1), key(2));
    const outcome = await test.store.confirmMessages([key(1), key(2), key(1)].map(confirmItem), newClaim());
    expect(outcome.results).toEqual([{ state: 20 }, { state: 20 }, { state: 20 }]);
    expect(outcome.publish.map((item) => item.messageKey).sort()).toEqual([key(1), key(2)]);
  });

  it('a confirm takes the content from the caller’s memory where it has it', async () => {
    await subscribe(test);
    await prepare(test, key(1), key(2));
    const remembered = contentOf({ body: Buffer.from('from memory') });
    const outcome = await test.store.confirmMessages([{ ...confirmItem(key(1)), content: remembered }, confirmItem(key(2))], newClaim());
    const bodies = Object.fromEntries(outcome.publish.map((item) => [item.messageKey, item.content.body.toString()]));
    expect(bodies).toEqual({ [key(1)]: 'from memory', [key(2)]: 'body' });
  });

  it('a confirm whose commit got no answer finds its own claim when it is run again, another caller does not', async () => {
    await subscribe(test);
    const claim = newClaim();
    await startSending(test, claim, key(1));
    expect((await test.store.confirmMessages([confirmItem(key(1))], newClaim())).publish).toEqual([]);
    expect((await test.store.confirmMessages([confirmItem(key(1))], claim)).publish).toMatchObject([{ messageKey: key(1) }]);
    expect(await copiesOf(test, key(1))).toHaveLength(1);
  });

  it('unknown keys are answered one by one', async () => {
    await subscribe(test);
    await prepare(test, key(1));
    const outcome = await test.store.confirmMessages([key(9), key(1)].map(confirmItem), newClaim());
    expect(outcome.results).toMatchObject([{ refused: 'MESSAGE_NOT_FOUND', metadata: { message_key: key(9) } }, { state: 20 }]);
  });

  it('a commit after ROLLED_BACK is kept for a person, with its content and an alert', async () => {
    await subscribe(test);
    await prepare(test, key(1));
    await test.store.applyVerdicts([{ ...confirmItem(key(1)), storeId: 'outbox-1', verdict: 2 }], newClaim());
    await test.sql('UPDATE message SET body = NULL, headers = NULL');
    const item = { ...itemOf(key(1)), committed: true };
    expect((await test.store.saveAndSendMessages([item], newClaim())).results).toEqual([
      { state: 50, storedKey: key(1), reason: 'COMMIT_AFTER_ROLLBACK' },
    ]);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 50, attention: 1 });
    expect((await test.store.getMessage(key(1), { includeBody: true }))?.body?.toString()).toBe('body');
    expect((await test.store.saveAndSendMessages([item], newClaim())).results).toMatchObject([{ state: 50, reason: 'COMMIT_AFTER_ROLLBACK' }]);
  });

  it('a confirm after ROLLED_BACK alerts once, however often it comes', async () => {
    await subscribe(test);
    await prepare(test, key(1));
    await test.store.applyVerdicts([{ ...confirmItem(key(1)), storeId: 'outbox-1', verdict: 2 }], newClaim());
    await test.store.confirmMessages([confirmItem(key(1))], newClaim());
    await test.store.confirmMessages([confirmItem(key(1))], newClaim());
    expect(await eventsOf(test, key(1))).toEqual(['COMMIT_AFTER_ROLLBACK']);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 40, attention: 1, reason: 'COMMIT_AFTER_ROLLBACK' });
  });

  it('a committed message under a key with another content is kept beside it, DEAD, once', async () => {
    await subscribe(test);
    await publish(test, key(1));
    const content = contentOf({ body: Buffer.from('other') });
    const item = { ...itemOf(key(1)), content, committed: true };
    const storedKey = `${key(1)}#${contentHash(content).toString('hex').slice(0, 16)}`;
    const expected = { state: 50, storedKey, reason: 'KEY_CONFLICT' };
    expect((await test.store.saveAndSendMessages([item, item], newClaim())).results).toEqual([expected, expected]);
    expect((await test.store.saveAndSendMessages([item], newClaim())).results).toEqual([expected]);
    expect(await rowOf(test, storedKey)).toMatchObject({ state: 50, reason: 'KEY_CONFLICT', finished_at: expect.anything() });
    expect((await rowOf(test, key(1))).state).toBe(20);
    expect(await test.sql('SELECT id FROM message')).toHaveLength(2);
  });

  it('an uncommitted message under a key with another content is refused', async () => {
    await subscribe(test);
    await publish(test, key(1));
    const item = { ...itemOf(key(1)), content: contentOf({ tag: TOPIC, body: Buffer.from('other') }), committed: false };
    await subscribe(test, 'CID_X', TOPIC, []);
    expect((await test.store.saveAndSendMessages([item], newClaim())).results).toMatchObject([{ refused: 'KEY_CONFLICT' }]);
  });

  it('one call may save and send what is new, prepared, sent and twice in it', async () => {
    await subscribe(test);
    await prepare(test, key(2));
    await publish(test, key(3));
    const keys = [key(1), key(2), key(3), key(1)];
    const outcome = await test.store.saveAndSendMessages(
      keys.map((messageKey) => ({ ...itemOf(messageKey), committed: true })),
      newClaim(),
    );
    expect(outcome.results).toEqual(keys.map((storedKey) => ({ state: 20, storedKey, reason: '' })));
    expect(outcome.publish.map((item) => item.messageKey).sort()).toEqual([key(1), key(2)]);
    expect(await copiesOf(test, key(1))).toHaveLength(1);
  });

  it('a committed message without a subscriber is stored, an uncommitted one is not', async () => {
    const committed = { ...itemOf(key(1)), committed: true };
    const open_ = { ...itemOf(key(2)), committed: false };
    const outcome = await test.store.saveAndSendMessages([committed, open_], newClaim());
    expect(outcome.results).toMatchObject([{ state: 50, storedKey: key(1), reason: 'NO_SUBSCRIBER' }, { refused: 'NO_SUBSCRIBER' }]);
    expect(await test.sql('SELECT message_key FROM message')).toEqual([{ message_key: key(1) }]);
  });

  it('a message that is taken up again after a delete is checked again in time', async () => {
    await subscribe(test);
    await prepare(test, key(1));
    await letTimePass(test);
    await test.store.deleteMessages([confirmItem(key(1))]);
    expect(await rowOf(test, key(1))).toMatchObject({ state: 40, lane: null, due_at: null });
    await prepare(test, key(1));
    expect(await dueInMs(test, key(1))).toBeGreaterThan(0);
  });
});
