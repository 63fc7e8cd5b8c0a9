import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../test/support/until.ts';
import { GROUP, type ProducerFixture, setUpProducer } from '../../test/setup-producer.ts';
import { STORES } from '../../test/stores.ts';
import { TestMeter } from '../../test/test-meter.ts';

const TOPIC = 'SEND_EMAIL_TOPIC';
const group = { producer_group: GROUP };

describe.each(STORES)('the metrics of a producer on %s', (_name, open) => {
  let fixture: ProducerFixture;
  let meter: TestMeter;
  beforeEach(async () => {
    meter = new TestMeter();
    fixture = await setUpProducer(open, { meterProvider: meter.provider });
  });
  afterEach(() => fixture.close());

  it('count transactions, prepares and confirms, and never carry a key', async () => {
    const { producer } = fixture;
    await producer.start();
    const key = await producer.transaction((_tx, outbox) => outbox.add({ topic: TOPIC, body: 'x' }));
    await producer.transaction(() => Promise.reject(new Error('no'))).catch(() => undefined);
    await until(async () => (await meter.value('tpc.producer.confirms', { ...group, outcome: 'acknowledged', via: 'confirm' })) === 1);
    expect(await meter.value('tpc.producer.transactions', { ...group, outcome: 'committed' })).toBe(1);
    expect(await meter.value('tpc.producer.transactions', { ...group, outcome: 'rolled_back' })).toBe(1);
    expect(await meter.value('tpc.producer.prepares', { ...group, topic: TOPIC, outcome: 'prepared' })).toBe(1);
    expect(await meter.value('tpc.producer.online', group)).toBe(1);
    expect(await meter.labels()).not.toContain(key);
  });

  it('show what the outbox holds back while TPC is away, and nothing after the stop', async () => {
    const { producer, fake } = fixture;
    await producer.start();
    fake.die();
    await producer.transaction((_tx, outbox) => outbox.add({ topic: TOPIC, body: 'x' }));
    await until(async () => (await meter.value('tpc.producer.online', group)) === 0);
    expect(await meter.value('tpc.producer.outbox.unacknowledged', group)).toBe(1);
    await producer.stop(5_000);
    expect(await meter.value('tpc.producer.online', group)).toBeUndefined();
  });
});
