import { status } from '@grpc/grpc-js';
import { CancelKind, MessageState } from '@tpc/gen/tpc/v1/message';
import { Verdict } from '@tpc/gen/tpc/v1/reliable_message_service';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { itemRefusal, mariaDatabase, outgoing, refusalOf, sqliteDatabase, startTestTpc, type TestDatabase, type TestTpc } from './support.ts';

const P = 'PID_UAC';
const seconds = (count: number) => ({ seconds: BigInt(count), nanos: 0 });
const { VERDICT_COMMITTED, VERDICT_ROLLED_BACK, VERDICT_IN_PROGRESS, VERDICT_UNSPECIFIED } = Verdict;

describe.each([
  ['SQLite', sqliteDatabase],
  ['MariaDB', mariaDatabase],
])('check-back, on %s', (_, makeDatabase) => {
  let database: TestDatabase;
  let tpc: TestTpc;
  beforeEach(async () => {
    database = await makeDatabase();
    tpc = await startTestTpc({ TPC_DATABASE_URL: database.url });
    await tpc.messages.registerConsumer({ consumerGroup: 'C', instanceId: 'c1', subscriptions: [{ topic: 'SEND_EMAIL_TOPIC', tags: [] }] });
  });
  afterEach(async () => {
    await tpc.stop();
    await database.drop();
  });

  const prepare = (messageKey: string, storeId = 's1') =>
    tpc.messages.saveMessageWaitingConfirm({ producerGroup: P, storeId, message: outgoing({ messageKey }) });
  const fetch = (more: object = {}, options = {}) =>
    tpc.messages.fetchUncertainMessages({ producerGroup: P, storeId: 's1', instanceId: 'i1', wait: seconds(20), ...more }, options);
  const report = async (messageKey: string, verdict: Verdict, storeId = 's1') =>
    (await tpc.messages.reportOutcomes({ producerGroup: P, storeId, outcomes: [{ messageKey, verdict }] })).results[0];
  const messageOf = async (messageKey: string) => (await tpc.admin.getMessage({ messageKey })).message;

  it('asks the producer for what it has prepared and not confirmed, once it is due', async () => {
    await prepare(`${P}:1`);
    const { messages } = await fetch();
    expect(messages).toMatchObject([{ messageKey: `${P}:1`, topic: 'SEND_EMAIL_TOPIC', checkCount: 0 }]);
    expect(messages[0]?.createTime?.getTime()).toBe((await messageOf(`${P}:1`))?.createTime?.getTime());
  });

  it('does not ask for what was confirmed or deleted', async () => {
    for (const key of ['confirmed', 'deleted', 'open']) await prepare(`${P}:${key}`);
    await tpc.messages.confirmAndSendMessage({ producerGroup: P, messageKey: `${P}:confirmed` });
    await tpc.messages.deleteMessageByMessageKey({ producerGroup: P, messageKey: `${P}:deleted` });
    expect((await fetch()).messages.map(({ messageKey }) => messageKey)).toEqual([`${P}:open`]);
  });

  it('asks no two instances for the same message at once', async () => {
    for (let index = 0; index < 20; index++) await prepare(`${P}:${index}`);
    const asked = new Map<string, number>();
    const instances = ['a', 'b', 'c', 'd'].map(async (instanceId) => {
      const { messages } = await fetch({ instanceId, maxCount: 5 });
      for (const { messageKey, checkCount } of messages)
        asked.set(`${messageKey} ${checkCount}`, (asked.get(`${messageKey} ${checkCount}`) ?? 0) + 1);
    });
    await Promise.all(instances);
    expect([...asked.values()].every((times) => times === 1)).toBe(true);
  });

  it('never asks an instance on another store, though the group is the same', async () => {
    await prepare(`${P}:here`, 's1');
    const elsewhere = fetch({ storeId: 'copy', wait: seconds(1) });
    expect((await fetch()).messages).toHaveLength(1);
    expect((await elsewhere).messages).toEqual([]);
    expect((await fetch({ storeId: '', wait: seconds(0) })).messages).toEqual([]);
  });

  it('takes no verdict from another store', async () => {
    await prepare(`${P}:1`);
    const refused = itemRefusal((await report(`${P}:1`, VERDICT_ROLLED_BACK, 'copy'))?.status);
    expect(refused).toMatchObject({ status: status.FAILED_PRECONDITION, reason: 'STORE_MISMATCH' });
    expect(await messageOf(`${P}:1`)).toMatchObject({ state: MessageState.MESSAGE_STATE_WAITING_CONFIRM });
  });

  it('sends what is COMMITTED and cancels for good what is ROLLED_BACK', async () => {
    await prepare(`${P}:yes`);
    await prepare(`${P}:no`);
    expect(await report(`${P}:yes`, VERDICT_COMMITTED)).toMatchObject({ state: MessageState.MESSAGE_STATE_SENDING, status: { code: status.OK } });
    expect(await report(`${P}:no`, VERDICT_ROLLED_BACK)).toMatchObject({ state: MessageState.MESSAGE_STATE_CANCELLED });
    expect(await messageOf(`${P}:no`)).toMatchObject({ cancelKind: CancelKind.CANCEL_KIND_ROLLED_BACK });
    const late = await refusalOf(tpc.messages.confirmAndSendMessage({ producerGroup: P, messageKey: `${P}:no` }));
    expect(late).toMatchObject({ status: status.FAILED_PRECONDITION, reason: 'KEY_ROLLED_BACK' });
    expect(await messageOf(`${P}:no`)).toMatchObject({ attention: true });
  });

  it.each([
    ['IN_PROGRESS', VERDICT_IN_PROGRESS],
    ['unspecified', VERDICT_UNSPECIFIED],
    ['a number that nobody knows', 77 as Verdict],
  ])('leaves a message waiting at %s, and asks again', async (__, verdict) => {
    await prepare(`${P}:1`);
    expect((await fetch()).messages).toHaveLength(1);
    expect(await report(`${P}:1`, verdict)).toMatchObject({ state: MessageState.MESSAGE_STATE_WAITING_CONFIRM, status: { code: status.OK } });
    expect((await fetch()).messages).toMatchObject([{ messageKey: `${P}:1`, checkCount: 1 }]);
    expect(await messageOf(`${P}:1`)).toMatchObject({ state: MessageState.MESSAGE_STATE_WAITING_CONFIRM });
  });

  it('asks again when no verdict comes, for ever', async () => {
    await prepare(`${P}:1`);
    for (let time = 0; time < 4; time++) expect((await fetch()).messages).toMatchObject([{ checkCount: time }]);
  });

  it('answers with nothing when the wait runs out, and before the caller’s deadline', async () => {
    expect((await fetch({ wait: { seconds: 0n, nanos: 1_000_000 } })).messages).toEqual([]);
    expect((await fetch({ wait: seconds(60) }, { deadlineMs: 800 })).messages).toEqual([]);
  });

  it('ends the wait of a caller that goes, and claims nothing for it', async () => {
    const leaving = new AbortController();
    const gone = fetch({ wait: seconds(60) }, { signal: leaving.signal });
    gone.catch(() => undefined);
    await fetch({ instanceId: 'i2', wait: seconds(0) });
    leaving.abort();
    await expect(gone).rejects.toMatchObject({ code: status.CANCELLED });
    await prepare(`${P}:1`);
    expect((await fetch({ instanceId: 'i2' })).messages).toMatchObject([{ messageKey: `${P}:1`, checkCount: 0 }]);
  });

  it('ends every wait when the service stops', async () => {
    const waiting = fetch({ wait: seconds(60) }).catch((error: unknown) => error);
    await fetch({ instanceId: 'i2', wait: seconds(0) });
    await tpc.service.stop();
    await vi.waitFor(async () => expect(await waiting).toBeDefined());
  });
});
