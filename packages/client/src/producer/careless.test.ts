import type { Knex } from 'knex';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../test/support/until.ts';
import { type ProducerFixture, setUpProducer } from '../../test/setup-producer.ts';
import { PACKET_STORES } from '../../test/stores.ts';
import { OutboxMisuse } from './errors.ts';
import type { ProducerEvent } from './events.ts';
import type { Outbox } from './outbox/outbox.ts';

const TOPIC = 'SEND_EMAIL_TOPIC';

describe.each(PACKET_STORES)('a caller that goes on using what it has handed over, on %s', (_name, open) => {
  let fixture: ProducerFixture;
  beforeEach(async () => {
    fixture = await setUpProducer(open);
  });
  afterEach(() => fixture.close());

  const arrived = (key: string) => {
    const content = fixture.fake.message(key)?.content;
    return [content?.data?.toString(), content?.headers.h];
  };
  const stored = async (key: string) => (await fixture.store.knex('tpc_outbox').where({ message_key: key }).first('body')).body.toString();

  it.each([
    ['awaited', true],
    ['not awaited', false],
  ])('sends what was handed over (%s)', async (_what, awaited) => {
    const body = Buffer.from('first');
    const headers = { h: 'first' };
    let keys: string[] = [];
    await fixture.producer.transaction(async (_tx, outbox) => {
      const first = outbox.add({ topic: TOPIC, body, headers, key: 'UAC:1' });
      if (awaited) await first;
      body.write('other');
      headers.h = 'other';
      const second = outbox.add({ topic: TOPIC, body, headers, key: 'UAC:2' });
      if (awaited) await second;
      body.write('third');
      headers.h = 'third';
      keys = await Promise.all([first, second]);
    });
    body.write('later');
    headers.h = 'later';
    expect(keys).toEqual(['UAC:1', 'UAC:2']);
    await until(() => fixture.fake.messages.length === 2 && fixture.fake.messages.every((message) => message.state === 20));
    expect([arrived('UAC:1'), arrived('UAC:2')]).toEqual([
      ['first', 'first'],
      ['other', 'other'],
    ]);
    expect([await stored('UAC:1'), await stored('UAC:2')]).toEqual(['first', 'other']);
  });

  it('sends it when TPC comes back', async () => {
    fixture.fake.die();
    const body = Buffer.from('first');
    await fixture.producer.transaction((_tx, outbox) => outbox.add({ topic: TOPIC, body, key: 'UAC:1' }));
    body.write('other');
    await fixture.producer.transaction((_tx, outbox) => outbox.add({ topic: TOPIC, body, key: 'UAC:2' }));
    body.write('third');
    await fixture.producer.start();
    await fixture.fake.start();
    await until(() => fixture.fake.messages.length === 2 && fixture.fake.messages.every((message) => message.state === 20));
    expect([arrived('UAC:1')[0], arrived('UAC:2')[0]]).toEqual(['first', 'other']);
  });

  it.each([Number.POSITIVE_INFINITY, 2 ** 31])('prepares as ever where it may wait for %s ms', async (ms) => {
    const outcomes: unknown[] = [];
    const onEvent = (event: ProducerEvent) => void (event.type === 'prepare' && outcomes.push(event.outcome));
    const producer = fixture.replica({ prepareBudgetMs: ms, callDeadlineMs: ms, statementLimitMs: ms, onEvent });
    await producer.transaction((_tx, outbox) => outbox.add({ topic: TOPIC, body: 'x', key: 'UAC:1' }));
    await until(() => fixture.fake.message('UAC:1')?.state === 20);
    expect(outcomes).toEqual(['prepared']);
    await producer.stop(ms);
    expect(producer.state().pendingConfirms).toBe(0);
  });

  it('opens two hundred transactions at once on a pool of few connections', async () => {
    const one = (n: number) =>
      fixture.producer.transaction(async (tx, outbox) => {
        await tx('account').insert({ name: `n${n}` });
        await outbox.add({ topic: TOPIC, body: 'x', key: `UAC:${n}` });
      });
    const ends = await Promise.allSettled(Array.from({ length: 200 }, (_, n) => one(n)));
    // Who got no connection in time has an error and nothing else.
    const done = [...ends.keys()].filter((n) => ends[n]?.status === 'fulfilled');
    const sent = () => fixture.fake.messages.filter((message) => message.state === 20).map(({ key }) => key);
    await until(() => sent().length === done.length);
    expect(sent().sort()).toEqual(done.map((n) => `UAC:${n}`).sort());
    expect(await fixture.accounts()).toEqual(done.map((n) => `n${n}`).sort());
    expect(done.length).toBeGreaterThan(0);
    expect(fixture.producer.state()).toMatchObject({ openTransactions: 0, openKeys: 0 });
  });

  it('is refused what it asks of a transaction after its end', async () => {
    let kept: { tx: Knex.Transaction; outbox: Outbox } | undefined;
    await fixture.producer.transaction(async (tx, outbox) => {
      kept = { tx, outbox };
      await tx('account').insert({ name: 'ada' });
    });
    await expect(kept?.tx('account').insert({ name: 'late' })).rejects.toThrow(/complete/);
    await expect(kept?.outbox.add({ topic: TOPIC, body: 'x' })).rejects.toThrow(OutboxMisuse);
    expect(await fixture.accounts()).toEqual(['ada']);
    expect(fixture.fake.messages).toEqual([]);
  });
});
