import { Verdict } from '@tpc/gen/tpc/v1/reliable_message_service';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Sample, sampleOf, scrape, seriesOf } from '../../../test/support/manifests/prometheus.ts';
import { startTestBroker, startTestConsumer, type TestBroker, type TestConsumer } from './broker-kit.ts';
import { mariaDatabase, outgoing, sqliteDatabase, startTestTpc, type TestDatabase, type TestTpc } from './support.ts';

const P = 'PID_UAC';
const GROUP = 'CID_OPC';
const TOPIC = 'SEND_EMAIL_TOPIC';

describe.each([
  ['SQLite', sqliteDatabase],
  ['MariaDB', mariaDatabase],
])('the metrics of TPC, on %s', (_, makeDatabase) => {
  let database: TestDatabase;
  let broker: TestBroker;
  let tpc: TestTpc;
  let consumer: TestConsumer;

  beforeEach(async () => {
    database = await makeDatabase();
    broker = await startTestBroker();
    tpc = await startTestTpc({ TPC_DATABASE_URL: database.url, BROKER_ENDPOINTS: broker.endpoints, TPC_METRICS_PORT: '0' });
    consumer = await startTestConsumer(broker, GROUP);
    await consumer.register(tpc);
  });
  afterEach(async () => {
    await consumer.stop();
    await tpc.stop();
    await broker.drop();
    await database.drop();
  });

  const samples = () => scrape(tpc.service.metricsPort as number);
  const total = (found: readonly Sample[], name: string) => found.filter((one) => one.name === name).reduce((sum, one) => sum + one.value, 0);
  const keysOf = (prefix: string, count: number) => Array.from({ length: count }, (__, n) => `${P}:${prefix}${n}`);

  async function prepare(...keys: string[]): Promise<void> {
    const messages = keys.map((messageKey) => outgoing({ messageKey }));
    await tpc.messages.batchSaveMessageWaitingConfirm({ producerGroup: P, storeId: 's1', messages });
  }

  async function deliver(...keys: string[]): Promise<void> {
    await prepare(...keys);
    await tpc.messages.batchConfirmAndSendMessage({ producerGroup: P, messageKeys: keys });
    for (const key of keys) await consumer.waitFor(key);
  }

  const consume = (...keys: string[]) =>
    tpc.messages.batchConfirmConsumedMessage({ consumerGroup: GROUP, deliveries: keys.map((messageKey) => ({ messageKey, generation: 1 })) });

  it('count the way of messages: saved, confirmed, published, reported, finished, and how long it took', async () => {
    const keys = keysOf('way', 5);
    await deliver(...keys);
    await consume(...keys);
    await tpc.messages.deleteMessageByMessageKey({ producerGroup: P, messageKey: `${P}:unknown` }).catch(() => undefined);
    const found = await samples();
    for (const operation of ['save', 'confirm', 'report']) {
      expect([operation, sampleOf(found, 'tpc_operations_total', { operation, outcome: 'ok' })]).toEqual([operation, 5]);
      expect(sampleOf(found, 'tpc_batch_size_sum', { operation })).toBe(5);
      expect(sampleOf(found, 'tpc_batch_duration_seconds_count', { operation })).toBeGreaterThan(0);
    }
    expect(sampleOf(found, 'tpc_operations_total', { operation: 'delete', outcome: 'DELETE_FAILED' })).toBe(1);
    expect(sampleOf(found, 'tpc_publishes_total', { topic: TOPIC, outcome: 'published' })).toBe(5);
    expect(sampleOf(found, 'tpc_publish_batch_size_sum')).toBe(5);
    expect(sampleOf(found, 'tpc_finished_total')).toBe(5);
    expect(sampleOf(found, 'tpc_delivery_duration_seconds_count', { consumer_group: GROUP })).toBe(5);
    const confirm = 'tpc.v1.ReliableMessageService/BatchConfirmAndSendMessage';
    expect(sampleOf(found, 'rpc_server_call_duration_seconds_count', { rpc_method: confirm, rpc_response_status_code: 'OK' })).toBe(1);
    const remove = 'tpc.v1.ReliableMessageService/DeleteMessageByMessageKey';
    expect(sampleOf(found, 'rpc_server_call_duration_seconds_count', { rpc_method: remove, rpc_response_status_code: 'NOT_FOUND' })).toBe(1);
  });

  it('count a delivery once, however often it is reported', async () => {
    await deliver(`${P}:twice`);
    await consume(`${P}:twice`);
    await consume(`${P}:twice`);
    const found = await samples();
    expect(sampleOf(found, 'tpc_finished_total')).toBe(1);
    expect(sampleOf(found, 'tpc_delivery_duration_seconds_count', { consumer_group: GROUP })).toBe(1);
  });

  it('show what waits, by topic and state, and which groups live', async () => {
    await prepare(`${P}:open1`, `${P}:open2`);
    await deliver(`${P}:sent`);
    await deliver(`${P}:done`);
    await consume(`${P}:done`);
    await deliver(`${P}:bad`);
    await tpc.messages.reportConsumeFailure({ consumerGroup: GROUP, messageKey: `${P}:bad`, generation: 1, reason: 'BAD_MESSAGE', detail: 'x' });
    const found = await samples();
    const of = (state: string) => sampleOf(found, 'tpc_messages', { topic: TOPIC, state });
    expect([of('waiting_confirm'), of('sending'), of('dead')]).toEqual([2, 1, 1]);
    expect(sampleOf(found, 'tpc_attention_messages')).toBe(1);
    expect(sampleOf(found, 'tpc_uncertain_messages')).toBe(0);
    expect(sampleOf(found, 'tpc_dead_letters_total', { reason: 'BAD_MESSAGE' })).toBe(1);
    expect(sampleOf(found, 'tpc_consumer_group_unreceived', { consumer_group: GROUP })).toBe(1);
    expect(sampleOf(found, 'tpc_consumer_group_instances', { consumer_group: GROUP })).toBe(1);
    expect(sampleOf(found, 'tpc_due_age_seconds', { work: 'publish' })).toBeGreaterThanOrEqual(0);
  });

  it('count check-backs by verdict, claims, dead letters of every cause, and redeliveries', async () => {
    await prepare(`${P}:asked`);
    const { messages } = await tpc.messages.fetchUncertainMessages({
      producerGroup: P,
      storeId: 's1',
      instanceId: 'i',
      wait: { seconds: 10n, nanos: 0 },
    });
    expect(messages).toHaveLength(1);
    const outcomes = [{ messageKey: `${P}:asked`, verdict: Verdict.VERDICT_ROLLED_BACK }];
    await tpc.messages.reportOutcomes({ producerGroup: P, storeId: 's1', outcomes });
    const lonely = { ...outgoing({ messageKey: `${P}:lonely`, topic: 'NOBODY' }) };
    await tpc.messages.saveAndSendMessage({ producerGroup: P, storeId: 's1', message: lonely, committed: true });
    await deliver(`${P}:again`);
    await tpc.admin.resendMessage({ messageKey: `${P}:again` });
    await consumer.waitFor(`${P}:again`, 2);
    const found = await samples();
    expect(sampleOf(found, 'tpc_check_backs_total', { verdict: 'rolled_back' })).toBe(1);
    expect(sampleOf(found, 'tpc_claims_total', { work: 'check_back' })).toBe(1);
    expect(sampleOf(found, 'tpc_claim_duration_seconds_count', { work: 'check_back' })).toBeGreaterThan(0);
    expect(sampleOf(found, 'tpc_dead_letters_total', { reason: 'NO_SUBSCRIBER' })).toBe(1);
    expect(sampleOf(found, 'tpc_redeliveries_total', { consumer_group: GROUP })).toBe(1);
  });

  it('show the links, and the connections to the database', async () => {
    await expect.poll(async () => sampleOf(await samples(), 'tpc_health', { part: 'broker' }), { timeout: 10_000 }).toBe(1);
    expect(sampleOf(await samples(), 'tpc_health', { part: 'service' })).toBe(1);
    expect(sampleOf(await samples(), 'db_client_connection_count', { state: 'used' })).toBeGreaterThanOrEqual(0);
    await broker.goAway();
    await expect.poll(async () => sampleOf(await samples(), 'tpc_health', { part: 'broker' }), { timeout: 20_000 }).toBe(0);
    await broker.comeBack();
  });

  it('have a number of series that many messages do not raise, and no key, group store or address in them', async () => {
    const first = keysOf('first', 20);
    await deliver(...first);
    await consume(...first);
    const before = await samples();
    for (const round of ['a', 'b', 'c', 'd']) {
      const keys = keysOf(round, 50);
      await deliver(...keys);
      await consume(...keys);
    }
    const after = await samples();
    expect(total(after, 'tpc_finished_total')).toBe(220);
    // What comes with time, not with messages: garbage collections, calls of the workers.
    const messages = (found: readonly Sample[]) => seriesOf(found.filter(({ name }) => !/^(v8js|nodejs|process)_/.test(name)));
    const added = [...messages(after)].filter((series) => !messages(before).has(series));
    expect(added).toEqual([]);
    const labels = after.flatMap((one) => Object.values(one.labels)).join('\n');
    for (const secret of [`${P}:`, 's1', 'inbox-', 'i1']) expect(labels).not.toContain(secret);
  });

  it('put reasons and topics that others make up without end together', async () => {
    const keys = keysOf('reason', 60);
    await deliver(...keys);
    const failures = keys.map((messageKey, n) => ({ delivery: { messageKey, generation: 1 }, reason: `REASON_${n}`, detail: '' }));
    await tpc.messages.batchReportConsumeFailure({ consumerGroup: GROUP, failures });
    const found = (await samples()).filter(({ name }) => name === 'tpc_dead_letters_total');
    expect(found).toHaveLength(51);
    expect(sampleOf(found, 'tpc_dead_letters_total', { reason: 'OTHER' })).toBe(16);
  });
});
