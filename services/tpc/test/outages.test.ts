import { type ServiceError, status } from '@grpc/grpc-js';
import { ConfirmStatus, MessageState } from '@tpc/gen/tpc/v1/message';
import { Verdict } from '@tpc/gen/tpc/v1/reliable_message_service';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { startTestBroker, startTestConsumer, type TestBroker, type TestConsumer } from './broker-kit.ts';
import { mariaDatabase, outgoing, refusalOf, sqliteDatabase, startTestTpc, type TestDatabase, type TestTpc } from './support.ts';
import { createTcpProxy } from './tcp-proxy.ts';

const P = 'PID_UAC';
const C = 'CID_OPC';
const owner = { producerGroup: P, storeId: 's1' };
const AWAY = { status: status.UNAVAILABLE, reason: 'STORE_UNAVAILABLE', retry: true };

let cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of cleanUp.reverse()) await end();
  cleanUp = [];
});

async function keep<T>(started: Promise<T>, end: (part: T) => Promise<unknown>): Promise<T> {
  const part = await started;
  cleanUp.push(() => end(part));
  return part;
}

describe.each([
  ['SQLite', sqliteDatabase],
  ['MariaDB', mariaDatabase],
])('TPC on %s', (_, makeDatabase) => {
  let database: TestDatabase;
  let broker: TestBroker;
  let tpc: TestTpc;
  let consumer: TestConsumer;
  const start = () => keep(startTestTpc({ TPC_DATABASE_URL: database.url, BROKER_ENDPOINTS: broker.endpoints }), (part) => part.stop());
  beforeEach(async () => {
    database = await keep(makeDatabase(), (part) => part.drop());
    broker = await keep(startTestBroker(), (part) => part.drop());
    tpc = await start();
    consumer = await keep(startTestConsumer(broker, C), (part) => part.stop());
    await consumer.register(tpc);
  });
  const committed = (messageKey: string, text = 'b') =>
    tpc.messages.saveAndSendMessage({ ...owner, committed: true, message: outgoing({ messageKey, text }) });

  it('takes everything that can be said about one key at the same moment, and sends what was committed', async () => {
    const keys = Array.from({ length: 40 }, (__, n) => `${P}:${n}`);
    const said = keys.flatMap((messageKey) => [
      tpc.messages.saveMessageWaitingConfirm({ ...owner, message: outgoing({ messageKey, text: 'b' }) }),
      tpc.messages.confirmAndSendMessage({ producerGroup: P, messageKey }),
      tpc.messages.deleteMessageByMessageKey({ producerGroup: P, messageKey }),
      committed(messageKey),
      tpc.messages.reportOutcomes({ ...owner, outcomes: [{ messageKey, verdict: Verdict.VERDICT_COMMITTED }] }),
      tpc.messages.confirmConsumedMessage({ consumerGroup: C, messageKey, generation: 1 }),
    ]);
    const answers = await Promise.allSettled(said);
    const codes = new Set(answers.flatMap((answer) => (answer.status === 'rejected' ? [(answer.reason as ServiceError).code] : [])));
    // Not there yet, or already on its way: nothing else may come of it.
    expect([...codes].filter((code) => code !== status.NOT_FOUND && code !== status.FAILED_PRECONDITION)).toEqual([]);
    for (const messageKey of keys) {
      const { message, confirms } = await tpc.admin.getMessage({ messageKey });
      expect([MessageState.MESSAGE_STATE_SENDING, MessageState.MESSAGE_STATE_FINISHED]).toContain(message?.state);
      expect(confirms).toHaveLength(1);
      if (confirms[0]?.status !== ConfirmStatus.CONFIRM_STATUS_CONSUMED) await consumer.waitFor(messageKey);
    }
  });

  it('keeps, resends and follows another content under the longest key that there is', async () => {
    const messageKey = `${P}:`.padEnd(128, 'k');
    await committed(messageKey, 'first');
    const { storedKey } = await committed(messageKey, 'second');
    expect(storedKey).toHaveLength(145);
    expect((await tpc.admin.listMessages({ messageKey: storedKey })).messages).toHaveLength(1);
    await tpc.admin.resendMessage({ messageKey: storedKey });
    expect(await consumer.waitFor(storedKey)).toMatchObject({ text: 'second' });
    const delivery = { messageKey: storedKey, generation: 1 };
    expect(await tpc.messages.confirmReceiveMessage({ consumerGroup: C, ...delivery })).toEqual({ tracked: true });
    const { results } = await tpc.messages.batchConfirmConsumedMessage({ consumerGroup: C, deliveries: [delivery] });
    expect(results).toMatchObject([{ tracked: true }]);
    expect((await tpc.admin.getMessage({ messageKey: storedKey })).message?.state).toBe(MessageState.MESSAGE_STATE_FINISHED);
  });

  it('stopped under load, has sent or keeps what it has answered', async () => {
    const taken: string[] = [];
    const calls = Array.from({ length: 400 }, async (__, n) => {
      const messageKey = `${P}:${n}`;
      await committed(messageKey).then(() => taken.push(messageKey));
    });
    await vi.waitFor(() => expect(taken.length).toBeGreaterThan(0), { interval: 1, timeout: 20_000 });
    await tpc.stop();
    await Promise.allSettled(calls);
    tpc = await start();
    for (const messageKey of taken) await consumer.waitFor(messageKey);
  });
});

describe('while the database is away', () => {
  it('every call is answered UNAVAILABLE, with a time to try again; a batch as a whole, since no item is to blame', async () => {
    const database = await keep(mariaDatabase(), (part) => part.drop());
    const url = new URL(database.url);
    const proxy = await keep(createTcpProxy(Number(url.port)), (part) => part.cut());
    await proxy.mend();
    url.port = String(proxy.port);
    const { messages, admin } = await keep(startTestTpc({ TPC_DATABASE_URL: url.href }), (part) => part.stop());
    const subscriptions = [{ topic: 'SEND_EMAIL_TOPIC', tags: [] }];
    await messages.registerConsumer({ consumerGroup: C, instanceId: 'i', subscriptions });
    await proxy.cut();
    const messageKey = `${P}:1`;
    const message = outgoing({ messageKey });
    const delivery = { messageKey, generation: 1 };
    const single: [string, Promise<unknown>][] = [
      ['save', messages.saveMessageWaitingConfirm({ ...owner, message })],
      ['confirm', messages.confirmAndSendMessage({ producerGroup: P, messageKey })],
      ['save and send', messages.saveAndSendMessage({ ...owner, committed: true, message })],
      ['delete', messages.deleteMessageByMessageKey({ producerGroup: P, messageKey })],
      ['receive', messages.confirmReceiveMessage({ consumerGroup: C, ...delivery })],
      ['consumed', messages.confirmConsumedMessage({ consumerGroup: C, ...delivery })],
      ['failure', messages.reportConsumeFailure({ consumerGroup: C, ...delivery, reason: 'POISON' })],
      ['fetch', messages.fetchUncertainMessages({ ...owner, instanceId: 'i' })],
      ['register producer', messages.registerProducer({ ...owner, instanceId: 'i' })],
      ['register consumer', messages.registerConsumer({ consumerGroup: C, instanceId: 'i', subscriptions })],
      ['list', admin.listMessages({})],
      ['get', admin.getMessage({ messageKey })],
      ['resend', admin.resendMessage({ messageKey })],
    ];
    const refusals = await Promise.all(single.map(async ([name, call]) => [name, await refusalOf(call)]));
    expect(refusals).toEqual(single.map(([name]) => [name, expect.objectContaining(AWAY)]));
    const batches = [
      messages.batchSaveMessageWaitingConfirm({ ...owner, messages: [message] }),
      messages.batchConfirmAndSendMessage({ producerGroup: P, messageKeys: [messageKey] }),
      messages.batchSaveAndSendMessage({ ...owner, committed: true, messages: [message] }),
      messages.batchConfirmReceiveMessage({ consumerGroup: C, deliveries: [delivery] }),
      messages.batchConfirmConsumedMessage({ consumerGroup: C, deliveries: [delivery] }),
      messages.batchReportConsumeFailure({ consumerGroup: C, failures: [{ delivery, reason: 'POISON', detail: '' }] }),
      messages.reportOutcomes({ ...owner, outcomes: [{ messageKey, verdict: Verdict.VERDICT_COMMITTED }] }),
    ];
    for (const refused of await Promise.all(batches.map(refusalOf))) expect(refused).toMatchObject(AWAY);
  });
});
