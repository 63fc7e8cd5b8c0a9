import { status } from '@grpc/grpc-js';
import { MessageState } from '@tpc/gen/tpc/v1/message';
import { Verdict } from '@tpc/gen/tpc/v1/reliable_message_service';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { startTestBroker, startTestConsumer, type TestBroker, type TestConsumer } from './broker-kit.ts';
import { claimWithoutPublishing, mariaDatabase, outgoing, sqliteDatabase, startTestTpc, type TestDatabase, type TestTpc } from './support.ts';

const P = 'PID_UAC';
const {
  MESSAGE_STATE_WAITING_CONFIRM: WAITING,
  MESSAGE_STATE_SENDING: SENDING,
  MESSAGE_STATE_FINISHED: FINISHED,
  MESSAGE_STATE_DEAD: DEAD,
} = MessageState;

/** What a test started, to be stopped in reverse order. */
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

const stateOf = async (tpc: TestTpc, messageKey: string) => (await tpc.admin.getMessage({ messageKey })).message?.state;
const untilState = (tpc: TestTpc, messageKey: string, state: number) =>
  vi.waitFor(async () => expect(await stateOf(tpc, messageKey)).toBe(state), { timeout: 20_000 });

describe.each([
  ['SQLite', sqliteDatabase],
  ['MariaDB', mariaDatabase],
])('the way of a message, on %s', (_, makeDatabase) => {
  let database: TestDatabase;
  let broker: TestBroker;
  let tpc: TestTpc;
  let consumer: TestConsumer;
  const tpcHere = (env: Record<string, string> = {}) =>
    keep(startTestTpc({ TPC_DATABASE_URL: database.url, BROKER_ENDPOINTS: broker.endpoints, ...env }), (part) => part.stop());
  const consumerHere = (group: string, tags: string[] = []) =>
    keep(startTestConsumer(broker, group, 'SEND_EMAIL_TOPIC', tags), (part) => part.stop());

  beforeEach(async () => {
    database = await keep(makeDatabase(), (part) => part.drop());
    broker = await keep(startTestBroker(), (part) => part.drop());
    tpc = await tpcHere();
    consumer = await consumerHere('CID_OPC');
    await consumer.register(tpc);
  });

  const prepare = (messageKey: string, message: Parameters<typeof outgoing>[0] = {}) =>
    tpc.messages.saveMessageWaitingConfirm({ producerGroup: P, storeId: 's1', message: outgoing({ messageKey, ...message }) });
  const confirm = (messageKey: string, at = tpc) => at.messages.confirmAndSendMessage({ producerGroup: P, messageKey });

  it('is prepared, confirmed, published, received and consumed, and then finished', async () => {
    expect(await prepare(`${P}:1`, { headers: { lang: 'zh' }, contentType: 'text/plain', text: '你好' })).toEqual({ state: WAITING });
    expect(await confirm(`${P}:1`)).toEqual({ state: SENDING });
    expect(await consumer.waitFor(`${P}:1`)).toMatchObject({
      topic: 'SEND_EMAIL_TOPIC',
      tag: 'ACTIVE_USER',
      text: '你好',
      producerGroup: P,
      generation: 1,
      headers: { lang: 'zh' },
      contentType: 'text/plain',
    });
    const report = { consumerGroup: 'CID_OPC', messageKey: `${P}:1`, generation: 1 };
    expect(await tpc.messages.confirmReceiveMessage(report)).toEqual({ tracked: true });
    expect(await tpc.messages.confirmConsumedMessage(report)).toEqual({ tracked: true });
    const { message, confirms } = await tpc.admin.getMessage({ messageKey: `${P}:1` });
    expect(message).toMatchObject({ state: FINISHED, openGroups: 0 });
    expect(confirms).toMatchObject([{ consumerGroup: 'CID_OPC', status: 30, dead: false }]);
  });

  it('is not published before its confirm, and never when it was deleted', async () => {
    await prepare(`${P}:deleted`);
    await tpc.messages.deleteMessageByMessageKey({ producerGroup: P, messageKey: `${P}:deleted` });
    await prepare(`${P}:waits`);
    await prepare(`${P}:goes`);
    await confirm(`${P}:goes`);
    await consumer.waitFor(`${P}:goes`);
    expect(consumer.arrived.map(({ messageKey }) => messageKey)).toEqual([`${P}:goes`]);
  });

  it('is published at once when the producer’s verdict is COMMITTED', async () => {
    await prepare(`${P}:verdict`);
    const outcomes = [{ messageKey: `${P}:verdict`, verdict: Verdict.VERDICT_COMMITTED }];
    const { results } = await tpc.messages.reportOutcomes({ producerGroup: P, storeId: 's1', outcomes });
    expect(results[0]).toMatchObject({ state: SENDING });
    await consumer.waitFor(`${P}:verdict`);
  });

  it('goes in batches like single, each item by itself', async () => {
    const keys = Array.from({ length: 40 }, (__, index) => `${P}:b${index}`);
    const messages = keys.map((messageKey) => outgoing({ messageKey }));
    const saved = await tpc.messages.batchSaveMessageWaitingConfirm({ producerGroup: P, storeId: 's1', messages });
    expect(saved.results.map(({ state }) => state)).toEqual(keys.map(() => WAITING));
    const confirmed = await tpc.messages.batchConfirmAndSendMessage({ producerGroup: P, messageKeys: [...keys, `${P}:unknown`] });
    expect(confirmed.results.map(({ state }) => state)).toEqual([...keys.map(() => SENDING), 0]);
    expect(confirmed.results.at(-1)?.status?.code).toBe(status.NOT_FOUND);
    for (const key of keys) await consumer.waitFor(key);
    const deliveries = keys.map((messageKey) => ({ messageKey, generation: 1 }));
    const consumed = await tpc.messages.batchConfirmConsumedMessage({ consumerGroup: 'CID_OPC', deliveries });
    expect(consumed.results.every(({ tracked }) => tracked)).toBe(true);
    const { messages: finished } = await tpc.admin.listMessages({ states: [FINISHED] });
    expect(finished).toHaveLength(keys.length);
  });

  it('is stored and sent in one step, and is DEAD with its reason while nobody subscribes it', async () => {
    const send = (messageKey: string, topic: string, committed: boolean) =>
      tpc.messages.saveAndSendMessage({ producerGroup: P, storeId: 's1', committed, message: outgoing({ messageKey, topic }) });
    expect(await send(`${P}:now`, 'SEND_EMAIL_TOPIC', true)).toMatchObject({ state: SENDING, storedKey: `${P}:now`, reason: '' });
    await consumer.waitFor(`${P}:now`);
    expect(await send(`${P}:nobody`, 'NOBODYS_TOPIC', true)).toMatchObject({ state: DEAD, reason: 'NO_SUBSCRIBER' });
    await expect(send(`${P}:refused`, 'NOBODYS_TOPIC', false)).rejects.toMatchObject({ code: status.FAILED_PRECONDITION });
  });

  it('that was dead for want of a subscriber is published as soon as a group registers, without waiting for a poll', async () => {
    await tpc.stop();
    tpc = await tpcHere({ TPC_RESUME_POLL_MS: '3600000', TPC_PUBLISH_POLL_MS: '3600000' });
    const send = { producerGroup: P, storeId: 's1', committed: true, message: outgoing({ messageKey: `${P}:early`, topic: 'LATE_TOPIC' }) };
    expect(await tpc.messages.saveAndSendMessage(send)).toMatchObject({ state: DEAD });
    const late = await keep(startTestConsumer(broker, 'CID_LATE', 'LATE_TOPIC'), (part) => part.stop());
    await late.register(tpc);
    await late.waitFor(`${P}:early`);
  });

  it('is dead when a group finally failed, and is handled again when an operator resends it', async () => {
    await prepare(`${P}:poison`);
    await confirm(`${P}:poison`);
    await consumer.waitFor(`${P}:poison`);
    const report = { consumerGroup: 'CID_OPC', messageKey: `${P}:poison`, generation: 1 };
    await tpc.messages.reportConsumeFailure({ ...report, reason: 'POISON', detail: 'three times' });
    const { message, confirms } = await tpc.admin.getMessage({ messageKey: `${P}:poison` });
    expect(message).toMatchObject({ state: DEAD, attention: true });
    expect(confirms[0]?.reason).toContain('POISON');
    const resent = await tpc.admin.resendMessage({ messageKey: `${P}:poison`, requestId: '019ab0d4-7a3e-7cc2-8f5e-00000000000a' });
    expect(resent.consumerGroups).toEqual(['CID_OPC']);
    expect(await consumer.waitFor(`${P}:poison`, 2)).toMatchObject({ generation: 2, onlyGroup: 'CID_OPC' });
    await tpc.messages.confirmConsumedMessage({ ...report, generation: 2 });
    await untilState(tpc, `${P}:poison`, FINISHED);
  });

  it('shows an operator a body that is text as text and any other byte for byte, and none that was not asked for', async () => {
    const bytes = Buffer.from([0xff, 0x00, 0x41]);
    const bodyOf = async (messageKey: string, includeBody: boolean) => {
      const { data, text } = await tpc.admin.getMessage({ messageKey, includeBody });
      return { data, text };
    };
    for (const [messageKey, body] of [
      [`${P}:text`, { data: Buffer.from('{"to": "Zoë"}'), text: undefined }],
      [`${P}:bytes`, { data: bytes, text: undefined }],
    ] as const)
      await tpc.messages.saveAndSendMessage({ producerGroup: P, message: outgoing({ messageKey, ...body }), committed: true });
    expect(await bodyOf(`${P}:text`, true)).toEqual({ data: undefined, text: '{"to": "Zoë"}' });
    expect(await bodyOf(`${P}:bytes`, true)).toEqual({ data: bytes, text: undefined });
    expect(await bodyOf(`${P}:text`, false)).toEqual({ data: undefined, text: undefined });
  });

  it('is delivered after the broker came back, when it was away at the confirm', async () => {
    await prepare(`${P}:before`);
    await broker.goAway();
    expect(await confirm(`${P}:before`)).toEqual({ state: SENDING });
    expect(await prepare(`${P}:during`)).toEqual({ state: WAITING });
    expect(await confirm(`${P}:during`)).toEqual({ state: SENDING });
    await broker.comeBack();
    await consumer.waitFor(`${P}:before`);
    await consumer.waitFor(`${P}:during`);
  });

  it('is published by another process after the lease, when the one that confirmed it died before it published', async () => {
    await prepare(`${P}:orphan`);
    await tpc.stop();
    await claimWithoutPublishing(database.url, { producerGroup: P, messageKey: `${P}:orphan` }, 500);
    tpc = await tpcHere();
    await consumer.waitFor(`${P}:orphan`);
  });

  it('is published though its lease ends only in days, as after the clock of the database was set back', async () => {
    await prepare(`${P}:ahead`);
    await tpc.stop();
    await claimWithoutPublishing(database.url, { producerGroup: P, messageKey: `${P}:ahead` }, 10 * 86_400_000);
    tpc = await tpcHere({ TPC_PUBLISH_LEASE_MS: '2000' });
    await consumer.waitFor(`${P}:ahead`);
  });

  it('survives a restart of TPC in each of its states', async () => {
    await prepare(`${P}:prepared`);
    await prepare(`${P}:sent`);
    await confirm(`${P}:sent`);
    await consumer.waitFor(`${P}:sent`);
    await tpc.stop();
    tpc = await tpcHere();
    expect(await stateOf(tpc, `${P}:sent`)).toBe(SENDING);
    expect(await confirm(`${P}:prepared`)).toEqual({ state: SENDING });
    await consumer.waitFor(`${P}:prepared`);
    await tpc.messages.confirmConsumedMessage({ consumerGroup: 'CID_OPC', messageKey: `${P}:sent`, generation: 1 });
    expect(await stateOf(tpc, `${P}:sent`)).toBe(FINISHED);
  });

  it('is published again for a group that has lost it and for that group alone, never for one that is only slow', async () => {
    await tpc.stop();
    tpc = await tpcHere({ TPC_REDELIVER_FIRST_MS: '50', TPC_REDELIVER_MAX_MS: '100', TPC_REDELIVER_PASSED_MS: '0' });
    const other = await consumerHere('CID_OTHER');
    await other.register(tpc);
    await consumer.register(tpc);
    await prepare(`${P}:lost`);
    await confirm(`${P}:lost`);
    await consumer.waitFor(`${P}:lost`);
    await other.waitFor(`${P}:lost`);
    await tpc.messages.confirmReceiveMessage({ consumerGroup: 'CID_OTHER', messageKey: `${P}:lost`, generation: 1 });
    // CID_OPC says nothing of it and is not idle: it may just be slow. What CID_OTHER has lost meanwhile is published again for it alone.
    await prepare(`${P}:passed`);
    await confirm(`${P}:passed`);
    await other.waitFor(`${P}:passed`);
    // Outcomes of publishes are written a little later, and idle counts for what was published before it.
    const publishTime = async () => (await tpc.admin.getMessage({ messageKey: `${P}:passed` })).message?.publishTime;
    await vi.waitFor(async () => expect(await publishTime()).toBeDefined(), { timeout: 20_000 });
    await other.register(tpc, true);
    await other.waitFor(`${P}:passed`, 2);
    expect(consumer.arrived.filter(({ messageKey }) => messageKey === `${P}:lost`)).toHaveLength(1);
    // Now its link is healthy and nothing waits for it at the broker: what it has not reported is lost.
    await consumer.register(tpc, true);
    expect(await consumer.waitFor(`${P}:lost`, 2)).toMatchObject({ onlyGroup: 'CID_OPC', generation: 1 });
    await tpc.messages.confirmConsumedMessage({ consumerGroup: 'CID_OPC', messageKey: `${P}:lost`, generation: 1 });
  });
});

describe('two replicas on one MariaDB', () => {
  it('publish each message once between them, and finish it whichever gets the reports', async () => {
    const database = await keep(mariaDatabase(), (part) => part.drop());
    const broker = await keep(startTestBroker(), (part) => part.drop());
    const replica = () => keep(startTestTpc({ TPC_DATABASE_URL: database.url, BROKER_ENDPOINTS: broker.endpoints }), (part) => part.stop());
    const replicas = await Promise.all([replica(), replica()]);
    const [one, two] = replicas as [TestTpc, TestTpc];
    const consumer = await keep(startTestConsumer(broker, 'CID_OPC'), (part) => part.stop());
    await consumer.register(one);
    const keys = Array.from({ length: 60 }, (_, index) => `${P}:r${index}`);
    // Both replicas are told everything, at the same time.
    const both = <T>(call: (tpc: TestTpc) => Promise<T>) => Promise.all(replicas.map(call));
    const save = (messageKey: string) => (tpc: TestTpc) =>
      tpc.messages.saveMessageWaitingConfirm({ producerGroup: P, storeId: 's', message: outgoing({ messageKey }) });
    await Promise.all(keys.map((key) => both(save(key))));
    await Promise.all(keys.map((messageKey) => both((tpc) => tpc.messages.confirmAndSendMessage({ producerGroup: P, messageKey }))));
    for (const key of keys) await consumer.waitFor(key);
    const report = (messageKey: string) => (tpc: TestTpc) =>
      tpc.messages.confirmConsumedMessage({ consumerGroup: 'CID_OPC', messageKey, generation: 1 });
    await Promise.all(keys.map((key) => both(report(key))));
    for (const tpc of [one, two]) {
      const { messages } = await tpc.admin.listMessages({ states: [FINISHED], pageSize: 100 });
      expect(messages).toHaveLength(keys.length);
    }
    expect(consumer.arrived).toHaveLength(keys.length);
  });
});
