import { randomUUID } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import { MessageState } from '@tpc/gen/tpc/v1/message';
import { Verdict } from '@tpc/gen/tpc/v1/reliable_message_service';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mariaDatabase, outgoing, refusalOf, sqliteDatabase, startTestTpc, type TestDatabase, type TestTpc } from './support.ts';

const P = 'PID_UAC';
const C = 'CID_OPC';
const { MESSAGE_STATE_SENDING: SENDING, MESSAGE_STATE_FINISHED: FINISHED } = MessageState;

describe.each([
  ['SQLite', sqliteDatabase],
  ['MariaDB', mariaDatabase],
])('a repeated call is answered like the first and changes nothing more, on %s:', (_, makeDatabase) => {
  let database: TestDatabase;
  let tpc: TestTpc;
  beforeAll(async () => {
    database = await makeDatabase();
    tpc = await startTestTpc({ TPC_DATABASE_URL: database.url });
    await tpc.messages.registerConsumer({
      consumerGroup: C,
      storeId: 'in',
      instanceId: 'c1',
      subscriptions: [{ topic: 'SEND_EMAIL_TOPIC', tags: [] }],
    });
  });
  afterAll(async () => {
    await tpc.stop();
    await database.drop();
  });

  const producer = { producerGroup: P, storeId: 's1' };
  const save = (messageKey: string) => tpc.messages.saveMessageWaitingConfirm({ ...producer, message: outgoing({ messageKey }) });
  const confirm = (messageKey: string) => tpc.messages.confirmAndSendMessage({ producerGroup: P, messageKey });
  const sending = async () => {
    const messageKey = randomUUID();
    await save(messageKey);
    await confirm(messageKey);
    return messageKey;
  };
  const snapshot = async (messageKey: string) => {
    const { message, confirms } = await tpc.admin.getMessage({ messageKey });
    return {
      state: message?.state,
      open: message?.openGroups,
      dead: message?.deadGroups,
      confirms: confirms.map(({ dueTime: __, ...rest }) => rest),
    };
  };
  const delivery = (messageKey: string) => ({ consumerGroup: C, messageKey, generation: 1 });
  const committed = (messageKey: string) => tpc.messages.saveAndSendMessage({ ...producer, committed: true, message: outgoing({ messageKey }) });

  /** Each call on a message that is in the state before it. */
  const CALLS: [name: string, before: () => Promise<string>, call: (messageKey: string) => Promise<unknown>][] = [
    ['saveMessageWaitingConfirm', async () => randomUUID(), save],
    [
      'batchSaveMessageWaitingConfirm',
      async () => randomUUID(),
      (messageKey) => tpc.messages.batchSaveMessageWaitingConfirm({ ...producer, messages: [outgoing({ messageKey }), outgoing({ messageKey })] }),
    ],
    [
      'confirmAndSendMessage',
      async () => {
        const key = randomUUID();
        await save(key);
        return key;
      },
      confirm,
    ],
    [
      'batchConfirmAndSendMessage',
      async () => {
        const key = randomUUID();
        await save(key);
        return key;
      },
      (key) => tpc.messages.batchConfirmAndSendMessage({ producerGroup: P, messageKeys: [key, key] }),
    ],
    ['saveAndSendMessage', async () => randomUUID(), committed],
    [
      'saveAndSendMessage after a save',
      async () => {
        const key = randomUUID();
        await save(key);
        return key;
      },
      committed,
    ],
    [
      'batchSaveAndSendMessage',
      async () => randomUUID(),
      (messageKey) =>
        tpc.messages.batchSaveAndSendMessage({ ...producer, committed: true, messages: [outgoing({ messageKey }), outgoing({ messageKey })] }),
    ],
    [
      'deleteMessageByMessageKey',
      async () => {
        const key = randomUUID();
        await save(key);
        return key;
      },
      (messageKey) => tpc.messages.deleteMessageByMessageKey({ producerGroup: P, messageKey }),
    ],
    ['confirmReceiveMessage', sending, (key) => tpc.messages.confirmReceiveMessage(delivery(key))],
    [
      'batchConfirmReceiveMessage',
      sending,
      (key) => tpc.messages.batchConfirmReceiveMessage({ consumerGroup: C, deliveries: [delivery(key), delivery(key)] }),
    ],
    ['confirmConsumedMessage', sending, (key) => tpc.messages.confirmConsumedMessage(delivery(key))],
    [
      'batchConfirmConsumedMessage',
      sending,
      (key) => tpc.messages.batchConfirmConsumedMessage({ consumerGroup: C, deliveries: [delivery(key), delivery(key)] }),
    ],
    ['reportConsumeFailure', sending, (key) => tpc.messages.reportConsumeFailure({ ...delivery(key), reason: 'POISON' })],
    [
      'batchReportConsumeFailure',
      sending,
      (key) => tpc.messages.batchReportConsumeFailure({ consumerGroup: C, failures: [{ delivery: delivery(key), reason: 'POISON', detail: '' }] }),
    ],
    [
      'reportOutcomes COMMITTED',
      async () => {
        const key = randomUUID();
        await save(key);
        return key;
      },
      (messageKey) => tpc.messages.reportOutcomes({ ...producer, outcomes: [{ messageKey, verdict: Verdict.VERDICT_COMMITTED }] }),
    ],
    [
      'reportOutcomes ROLLED_BACK',
      async () => {
        const key = randomUUID();
        await save(key);
        return key;
      },
      (messageKey) => tpc.messages.reportOutcomes({ ...producer, outcomes: [{ messageKey, verdict: Verdict.VERDICT_ROLLED_BACK }] }),
    ],
  ];

  it.each(CALLS)('%s', async (__, before, call) => {
    const key = await before();
    const first = await call(key);
    const after = await snapshot(key);
    const repeated = await Promise.all([call(key), call(key)]);
    expect(repeated).toEqual([first, first]);
    expect(await snapshot(key)).toEqual(after);
  });

  it('registerProducer and registerConsumer', async () => {
    const registration = { producerGroup: P, storeId: 's1', instanceId: 'i1', topics: ['SEND_EMAIL_TOPIC'] };
    expect(await tpc.messages.registerProducer(registration)).toEqual(await tpc.messages.registerProducer(registration));
    const subscriber = { consumerGroup: 'CID_TWICE', storeId: 'x', instanceId: 'i1', subscriptions: [{ topic: 'T2', tags: ['a', 'b'] }] };
    expect(await tpc.messages.registerConsumer(subscriber)).toEqual(await tpc.messages.registerConsumer(subscriber));
    expect(await refusalOf(tpc.messages.registerConsumer({ ...subscriber, storeId: 'y' }))).toMatchObject({
      status: status.FAILED_PRECONDITION,
      reason: 'INBOX_STORE_CONFLICT',
    });
  });

  it('resendMessage with the same request id', async () => {
    const messageKey = await sending();
    await tpc.messages.confirmConsumedMessage(delivery(messageKey));
    const act = { messageKey, consumerGroups: [C], requestId: randomUUID(), comment: 'again' };
    const first = await tpc.admin.resendMessage(act);
    expect(first.message).toMatchObject({ state: SENDING, generation: 2 });
    expect((await tpc.admin.resendMessage(act)).message).toMatchObject({ generation: 2 });
    expect(await refusalOf(tpc.admin.resendMessage({ ...act, comment: 'other', consumerGroups: [] }))).toMatchObject({ reason: 'REQUEST_ID_REUSED' });
  });

  it('calls that come late change nothing that is final', async () => {
    const messageKey = await sending();
    await tpc.messages.confirmConsumedMessage(delivery(messageKey));
    expect(await save(messageKey)).toEqual({ state: FINISHED });
    expect(await confirm(messageKey)).toEqual({ state: FINISHED });
    expect(await committed(messageKey)).toMatchObject({ state: FINISHED });
    await tpc.messages.confirmReceiveMessage(delivery(messageKey));
    await tpc.messages.reportConsumeFailure({ ...delivery(messageKey), reason: 'LATE' });
    expect(await snapshot(messageKey)).toMatchObject({ state: FINISHED, open: 0, dead: 0 });
    expect(await refusalOf(tpc.messages.deleteMessageByMessageKey({ producerGroup: P, messageKey }))).toMatchObject({ reason: 'ALREADY_SENDING' });
  });

  it('another content or another group under a known key is refused, and kept apart when it is committed', async () => {
    const messageKey = randomUUID();
    await save(messageKey);
    const other = outgoing({ messageKey, text: 'other' });
    expect(await refusalOf(tpc.messages.saveMessageWaitingConfirm({ ...producer, message: other }))).toMatchObject({
      status: status.ALREADY_EXISTS,
      reason: 'KEY_CONFLICT',
    });
    const kept = await tpc.messages.saveAndSendMessage({ ...producer, committed: true, message: other });
    expect(kept).toMatchObject({ state: MessageState.MESSAGE_STATE_DEAD, reason: 'KEY_CONFLICT' });
    expect(kept.storedKey).toMatch(new RegExp(`^${messageKey}#[0-9a-f]{16}$`));
    expect((await tpc.admin.getMessage({ messageKey: kept.storedKey, includeBody: true })).text).toBe('other');
  });

  it('what TPC does not know is said to be unknown', async () => {
    const messageKey = randomUUID();
    expect(await refusalOf(confirm(messageKey))).toMatchObject({ status: status.NOT_FOUND, reason: 'TPC10050002' });
    expect(await refusalOf(tpc.messages.deleteMessageByMessageKey({ producerGroup: P, messageKey }))).toMatchObject({
      status: status.NOT_FOUND,
      reason: 'TPC10050003',
    });
    expect(await refusalOf(tpc.admin.getMessage({ messageKey }))).toMatchObject({ status: status.NOT_FOUND, reason: 'TPC10050002' });
    expect(await refusalOf(tpc.admin.resendMessage({ messageKey }))).toMatchObject({ status: status.NOT_FOUND, reason: 'TPC10050006' });
    expect(await tpc.messages.confirmConsumedMessage(delivery(messageKey))).toEqual({ tracked: false });
    expect(
      await refusalOf(tpc.messages.saveMessageWaitingConfirm({ ...producer, message: outgoing({ messageKey, topic: 'NOBODY' }) })),
    ).toMatchObject({ status: status.FAILED_PRECONDITION, reason: 'TPC100500010' });
  });
});
