import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../test/support/until.ts';
import { type ProducerFixture, setUpProducer } from '../../test/setup-producer.ts';
import { STORES } from '../../test/stores.ts';
import { OutboxMisuse } from './errors.ts';
import { createProducer } from './producer.ts';

const MESSAGE = { topic: 'SEND_EMAIL_TOPIC', body: 'x' };

describe.each(STORES)('a producer on %s', (name, open) => {
  let fixture: ProducerFixture;
  beforeEach(async () => {
    fixture = await setUpProducer(open);
  });
  afterEach(() => fixture.close());

  it('waits at stop for confirms in flight, and takes no new transactions', async () => {
    const { producer, fake } = fixture;
    let release = () => {};
    fake.beforeCall = ({ method }) => (method === 'batchConfirmAndSendMessage' ? new Promise((resolve) => (release = resolve)) : undefined);
    await producer.start();
    const key = await producer.transaction((_tx, outbox) => outbox.add(MESSAGE));
    await fake.until(() => fake.callsOf('batchConfirmAndSendMessage').length === 1);
    let stopped = false;
    const stopping = producer.stop(20_000).then(() => (stopped = true));
    await expect(producer.transaction(async () => {})).rejects.toBeInstanceOf(OutboxMisuse);
    expect(stopped).toBe(false);
    expect(producer.state().pendingConfirms).toBe(1);
    release();
    await stopping;
    expect((await fixture.outbox())[key]?.state).toBe(20);
    expect(producer.state().pendingConfirms).toBe(0);
  });

  it('waits at stop for open transactions', async () => {
    const { producer } = fixture;
    let finish: (() => void) | undefined;
    const work = producer.transaction(async (tx, outbox) => {
      await outbox.add(MESSAGE);
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      await tx('account').insert({ name: 'ada' });
    });
    await until(() => finish !== undefined);
    expect(producer.state().openKeys).toBe(1);
    const stopping = producer.stop(20_000);
    finish?.();
    await Promise.all([work, stopping]);
    expect(await fixture.accounts()).toEqual(['ada']);
    expect(fixture.fake.messages[0]?.state).toBe(20);
  });

  it('refuses by the limits that TPC told at registration, before anything commits; by the usual ones until then', async () => {
    const { producer, fake } = fixture;
    const add = (bytes: number, headers = {}) => producer.transaction((_tx, outbox) => outbox.add({ ...MESSAGE, body: 'x'.repeat(bytes), headers }));
    fake.limits = { maxBodyBytes: 100, maxHeaders: 1, maxHeadersBytes: 10, maxBatchMessages: 0, maxBatchBytes: 0, maxRequestBytes: 0 };
    await add(101, { a: '1', b: '2' });
    await producer.start();
    await until(() => producer.state().registered);
    await expect(add(101)).rejects.toThrow('at most 100 are allowed');
    await expect(add(100, { a: '1', b: '2' })).rejects.toThrow('at most 1 are allowed');
    await expect(add(100, { a: 'x'.repeat(10) })).rejects.toThrow('at most 10 are allowed');
    await add(100, { a: 'x'.repeat(9) });
    expect(Object.keys(await fixture.outbox())).toHaveLength(2);
  });

  it('says that the tables are missing at start', async () => {
    await fixture.store.knex('tpc_store_meta').delete();
    await expect(fixture.replica().start()).rejects.toThrow(/migrateClientStore/);
  });

  it('warns at start when the database may lose what it has committed, and only then', async () => {
    const warnings = () => fixture.logged.filter(({ message }) => /may lose/.test(message)).map(({ fields }) => JSON.stringify(fields));
    await fixture.replica().start();
    expect(warnings()).toEqual([]);
    if (name !== 'SQLite') return;
    await fixture.store.knex.raw('PRAGMA synchronous = NORMAL');
    await fixture.replica().start();
    expect(warnings()).toEqual([expect.stringContaining('synchronous is 1')]);
  });

  it('carries the trace it was made under, and a changed trace makes no other message', async () => {
    const { fake } = fixture;
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const traced = fixture.replica({ traceContext: () => ({ traceparent, tracestate: 'a=1' }) });
    const send = (producer = traced) => producer.transaction((_tx, outbox) => outbox.add({ ...MESSAGE, key: 'UAC:traced' }));
    await send();
    expect(await send(fixture.producer)).toBe('UAC:traced');
    expect(fake.message('UAC:traced')?.content).toMatchObject({ traceparent, tracestate: 'a=1' });
    const row = await fixture.store.knex('tpc_outbox').first('traceparent', 'tracestate');
    expect(row).toEqual({ traceparent, tracestate: 'a=1' });
  });

  it('answers an own key that is known with the same content again, and sends nothing twice', async () => {
    const { producer, fake } = fixture;
    const add = () => producer.transaction((_tx, outbox) => outbox.add({ ...MESSAGE, key: 'UAC:once', headers: { b: '2', a: '1' } }));
    expect(await add()).toBe('UAC:once');
    await until(async () => (await fixture.outbox())['UAC:once']?.state === 20);
    expect(await add()).toBe('UAC:once');
    expect(fake.message('UAC:once')?.sends).toBe(1);
    expect(fake.callsOf('batchSaveMessageWaitingConfirm')).toHaveLength(1);
  });

  it('tells what happens, for metrics', async () => {
    const events: string[] = [];
    const watched = fixture.replica({ onEvent: (event) => events.push('outcome' in event ? `${event.type} ${event.outcome}` : event.type) });
    await watched.transaction((_tx, outbox) => outbox.add(MESSAGE));
    await until(() => events.length === 3);
    expect(events).toEqual(['prepare prepared', 'transaction committed', 'confirm acknowledged']);
    await watched.transaction(() => Promise.reject(new Error('no'))).catch(() => {});
    expect(events[3]).toBe('transaction rolled_back');
  });
});

describe('createProducer', () => {
  it('refuses a group that cannot be one', () => {
    expect(() => createProducer({ group: 'no spaces', knex: {} as never, tpc: {} as never })).toThrow(/group/);
  });
});
