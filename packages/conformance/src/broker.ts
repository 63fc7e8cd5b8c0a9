/**
 * What TPC and the client library need from a broker, seen through the adapter of @tpc/broker. Runs on the embedded broker, and unchanged
 * on RocketMQ 5.
 */
import type { ReceivedBrokerMessage } from '@tpc/broker';
import { BROKER_MAX_PROPERTIES, BROKER_MAX_PROPERTIES_BYTES } from '@tpc/core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { BrokerFixture, type BrokerTimes, type BrokerUnderTest, message, ROCKETMQ_TIMES, texts } from './broker-fixture.ts';
import { exerciseIdleness } from './broker-idleness.ts';
import { exerciseOutage } from './broker-outage.ts';

export { type BrokerTimes, type BrokerUnderTest, ROCKETMQ_TIMES } from './broker-fixture.ts';

/**
 * @param make starts the broker; called again after a stop, it brings the same state back at the same address
 * @param times shorter ones for a broker that allows them
 */
export function exerciseBroker(name: string, make: () => Promise<BrokerUnderTest>, times: BrokerTimes = ROCKETMQ_TIMES): void {
  describe(`broker: ${name}`, { timeout: 4 * times.patienceMs }, () => {
    const fixture = new BrokerFixture(make, times);
    beforeAll(() => fixture.startBroker());
    afterAll(() => fixture.stopBroker());
    afterEach(async () => {
      await fixture.closeAll();
      if (!fixture.brokerRuns) await fixture.startBroker();
    });
    exerciseContent(fixture);
    exerciseRefusals(fixture);
    exerciseGroups(fixture);
    exerciseIdleness(fixture);
    exerciseRedelivery(fixture);
    exerciseStop(fixture);
    exerciseOutage(fixture);
  });
}

const TAG = 't'.repeat(64);
const KEY = 'k'.repeat(128);

function exerciseContent(fixture: BrokerFixture): void {
  it('carries body, tag, keys and properties unchanged, and counts deliveries from 1', async () => {
    const { topics, groups } = await fixture.names({ topics: 1, groups: 1 });
    const received = await fixture.collect(groups[0]!, [{ topic: topics[0]!, tags: [] }]);
    const properties = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'tpc-generation': '2', text: 'a=b; 你好 "quoted"' };
    const sent = { ...message(topics[0]!, '正文 and text', { tag: 'TAG_A', keys: ['key-1', 'key-2'], properties }) };
    const [outcome] = await fixture.publisher().publish([sent]);
    await fixture.until('the message arrives', () => received.length === 1);
    const [got] = received;
    expect(got).toMatchObject({ topic: topics[0], tag: 'TAG_A', keys: ['key-1', 'key-2'], properties, deliveryAttempt: 1 });
    expect(Buffer.from(got!.body)).toEqual(sent.body);
    expect(got!.storedAt).toBeTypeOf('number');
    expect(outcome).toEqual({ ok: true, brokerMessageId: got!.brokerMessageId });
  });

  it('carries every printable value unchanged, drops a property without a value, and refuses control characters', async () => {
    const { topics, groups } = await fixture.names({ topics: 1, groups: 1 });
    const received = await fixture.collect(groups[0]!, [{ topic: topics[0]!, tags: [] }]);
    const kept = {
      'tpc-h-blanks': '  leading and trailing  ',
      'tpc-h-blank': ' ',
      'tpc-h-unicode': 'é 你好 👩‍🚀 \u2028 \ufeff \uffff',
      'tpc-h-signs': '\\ " \' = ; , : % # $ { } [ ] < > | ~',
      [`tpc-h-${'n'.repeat(64)}`]: 'a long name',
      'tpc-h-UPPER.and-lower_0': '1',
    };
    const sent = message(topics[0]!, 'm', { properties: { ...kept, 'tpc-h-none': '' } });
    const controls = ['\u0000', '\u0001', '\u0002', '\t', '\n', '\u007f', '\u0085'];
    const refused = controls.map((value) => message(topics[0]!, 'control', { properties: { 'tpc-h-a': `x${value}y` } }));
    const [outcome, ...refusals] = await fixture.publisher().publish([sent, ...refused]);
    expect(outcome).toMatchObject({ ok: true });
    expect(refusals.map((each) => !each.ok && each.permanent)).toEqual(controls.map(() => true));
    await fixture.until('the message arrives', () => received.length === 1);
    expect(received[0]!.properties).toEqual(kept);
  });

  it('takes properties, tag and keys of 16 KiB together, and not a byte more; 128 properties, and not one more', async () => {
    const { topics, groups } = await fixture.names({ topics: 1, groups: 1 });
    const received = await fixture.collect(groups[0]!, [{ topic: topics[0]!, tags: [] }]);
    const publisher = fixture.publisher();
    /** With so many bytes more than the broker takes. */
    const sized = (over: number) => {
      const room = BROKER_MAX_PROPERTIES_BYTES - TAG.length - KEY.length - 'tpc-h-a'.length + over;
      const value = 'é'.repeat(Math.floor(room / 2)) + (room % 2 === 1 ? 'x' : '');
      return message(topics[0]!, `${over} more`, { tag: TAG, keys: [KEY], properties: { 'tpc-h-a': value } });
    };
    const many = (count: number) =>
      message(topics[0]!, `${count}`, { properties: Object.fromEntries(Array.from({ length: count }, (_, n) => [`tpc-h-${n}`, '1'])) });
    const outcomes = await publisher.publish([sized(0), sized(1), many(BROKER_MAX_PROPERTIES), many(BROKER_MAX_PROPERTIES + 1)]);
    expect(outcomes.map(({ ok }) => ok)).toEqual([true, false, true, false]);
    await fixture.until('both arrive', () => received.length === 2);
  });

  it('carries a binary body of 1 MiB byte by byte', async () => {
    const { topics, groups } = await fixture.names({ topics: 1, groups: 1 });
    const received = await fixture.collect(groups[0]!, [{ topic: topics[0]!, tags: [] }]);
    const body = Buffer.alloc(
      1024 * 1024,
      Uint8Array.from({ length: 256 }, (_, index) => index),
    );
    const [outcome] = await fixture.publisher().publish([message(topics[0]!, 'large', { body })]);
    expect(outcome).toMatchObject({ ok: true });
    await fixture.until('the large message arrives', () => received.length === 1);
    expect(Buffer.compare(Buffer.from(received[0]!.body), body)).toBe(0);
  });

  it('publishes many messages of several topics in one call, each exactly once, answered in their order', async () => {
    const { topics, groups } = await fixture.names({ topics: 3, groups: 1 });
    const received = await fixture.collect(
      groups[0]!,
      topics.map((topic) => ({ topic, tags: [] })),
    );
    const messages = Array.from({ length: 600 }, (_, index) => message(topics[index % 3]!, `m${index}`));
    const outcomes = await fixture.publisher(topics).publish(messages);
    await fixture.until('all messages arrive', () => received.length >= messages.length);
    const idByText = new Map(received.map((each) => [texts([each])[0], each.brokerMessageId]));
    expect(outcomes).toEqual(messages.map((_, index) => ({ ok: true, brokerMessageId: idByText.get(`m${index}`) })));
    expect(received.length).toBe(messages.length);
    for (const each of received) expect(each.topic).toBe(topics[Number(texts([each])[0]!.slice(1)) % 3]);
  });
}

function exerciseRefusals(fixture: BrokerFixture): void {
  it('publishes the good ones of a batch when others are refused, and says that those are refused for ever', async () => {
    const { topics, groups } = await fixture.names({ topics: 1, groups: 1 });
    const topic = topics[0]!;
    const received = await fixture.collect(groups[0]!, [{ topic, tags: [] }]);
    const outcomes = await fixture
      .publisher()
      .publish([
        message(topic, 'good 1'),
        message(topic, 'bad tag', { tag: 'a|b' }),
        message(topic, 'good 2'),
        message(topic, 'no body', { body: Buffer.alloc(0) }),
        message(topic, 'good 3'),
      ]);
    expect(outcomes.map(({ ok }) => ok)).toEqual([true, false, true, false, true]);
    expect(outcomes.filter((outcome) => !outcome.ok)).toEqual([
      { ok: false, permanent: true, reason: expect.stringContaining('40004') },
      { ok: false, permanent: true, reason: expect.stringContaining('41302') },
    ]);
    await fixture.until('the good messages arrive', () => received.length === 3);
    expect(texts(received).sort()).toEqual(['good 1', 'good 2', 'good 3']);
  });

  it('answers for a topic that does not exist: made at once, or to be tried again; for an impossible name: refused for ever', async () => {
    const publisher = fixture.publisher();
    const unknown = `T_unknown_${process.pid}_${Date.now()}`;
    const [forUnknown, forImpossible] = await publisher.publish([message(unknown, 'u'), message('no such name!', 'i')]);
    if (forUnknown?.ok === false) expect(forUnknown).toEqual({ ok: false, permanent: false, reason: expect.stringContaining(unknown) });
    expect(forImpossible).toEqual({ ok: false, permanent: true, reason: expect.stringContaining('40002') });
    expect(publisher.state().connected).toBe(true);
  });

  it('has outcomes for a publisher that was not started or has been stopped', async () => {
    const { topics } = await fixture.names({ topics: 1, groups: 0 });
    const publisher = fixture.publisher();
    await publisher.stop(1_000);
    expect(await publisher.publish([message(topics[0]!, 'late')])).toEqual([{ ok: false, permanent: false, reason: expect.any(String) }]);
  });
}

function exerciseGroups(fixture: BrokerFixture): void {
  it('gives each group every message, and a group only the tags that it asked for', async () => {
    const { topics, groups } = await fixture.names({ topics: 1, groups: 3 });
    const topic = topics[0]!;
    const all = await fixture.collect(groups[0]!, [{ topic, tags: [] }]);
    const two = await fixture.collect(groups[1]!, [{ topic, tags: ['A', 'B'] }]);
    const one = await fixture.collect(groups[2]!, [{ topic, tags: ['C'] }]);
    await fixture.publisher().publish(['A', 'B', 'C', 'D', ''].map((tag) => message(topic, `tag ${tag}`, { tag })));
    await fixture.until('all groups have theirs', () => all.length === 5 && two.length === 2 && one.length === 1);
    expect(texts(all).sort()).toEqual(['tag ', 'tag A', 'tag B', 'tag C', 'tag D']);
    expect(texts(two).sort()).toEqual(['tag A', 'tag B']);
    expect(texts(one)).toEqual(['tag C']);
  });

  it('gives a message to one of two subscribers of the same group', async () => {
    const { topics, groups } = await fixture.names({ topics: 1, groups: 1 });
    const subscription = [{ topic: topics[0]!, tags: [] }];
    const left = await fixture.collect(groups[0]!, subscription);
    const right = await fixture.collect(groups[0]!, subscription);
    const messages = Array.from({ length: 100 }, (_, index) => message(topics[0]!, `m${index}`));
    await fixture.publisher().publish(messages);
    await fixture.until('all messages arrive', () => left.length + right.length >= 100);
    expect(new Set(texts([...left, ...right])).size).toBe(100);
    expect(left.length + right.length).toBe(100);
  });
}

function exerciseRedelivery(fixture: BrokerFixture): void {
  it('brings a rejected batch again, and an acknowledged message never', async () => {
    const { topics, groups } = await fixture.names({ topics: 1, groups: 1 });
    const attempts: Record<string, number[]> = { good: [], bad: [] };
    const subscriber = fixture.subscriber(groups[0]!, [{ topic: topics[0]!, tags: [] }], async (messages) => {
      for (const each of messages) attempts[texts([each])[0]!]!.push(each.deliveryAttempt);
      if (texts(messages).includes('bad') && attempts.bad!.length < 3) throw new Error('rejected by the test');
    });
    await subscriber.ready();
    const publisher = fixture.publisher();
    await publisher.publish([message(topics[0]!, 'good')]);
    await fixture.until('the good one arrives', () => attempts.good!.length === 1);
    await publisher.publish([message(topics[0]!, 'bad')]);
    await fixture.until('the bad one arrives for the third time', () => attempts.bad!.length === 3);
    expect(attempts).toEqual({ good: [1], bad: [1, 2, 3] });
  });

  it('brings a message again whose handler is slower than the invisible time, and survives its late acknowledgement', async () => {
    const { topics, groups } = await fixture.names({ topics: 1, groups: 1 });
    const release = Promise.withResolvers<void>();
    const seen: ReceivedBrokerMessage[] = [];
    const subscriber = fixture.subscriber(groups[0]!, [{ topic: topics[0]!, tags: [] }], async (messages) => {
      seen.push(...messages);
      if (texts(messages).includes('slow') && texts(seen).filter((text) => text === 'slow').length === 1) await release.promise;
    });
    await subscriber.ready();
    const publisher = fixture.publisher();
    await publisher.publish([message(topics[0]!, 'slow')]);
    await fixture.until('the slow one comes again', () => seen.length === 2);
    release.resolve();
    await publisher.publish([message(topics[0]!, 'next')]);
    await fixture.until('the next one arrives', () => texts(seen).includes('next'));
    expect(seen.map(({ deliveryAttempt }) => deliveryAttempt)).toEqual([1, 2, 1]);
  });
}

function exerciseStop(fixture: BrokerFixture): void {
  it('waits at its stop for the batch in hand and its acknowledgement', async () => {
    const { topics, groups } = await fixture.names({ topics: 1, groups: 1 });
    const subscription = [{ topic: topics[0]!, tags: [] }];
    const inHand = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    let handled = 0;
    const first = fixture.subscriber(groups[0]!, subscription, async (messages) => {
      inHand.resolve();
      await finish.promise;
      handled += messages.length;
    });
    await first.ready();
    const publisher = fixture.publisher();
    await publisher.publish([message(topics[0]!, 'in hand')]);
    await inHand.promise;
    const stopped = first.stop(fixture.times.patienceMs);
    finish.resolve();
    await stopped;
    expect(handled).toBe(1);
    const rest = await fixture.collect(groups[0]!, subscription);
    await publisher.publish([message(topics[0]!, 'sentinel')]);
    await fixture.until('the sentinel arrives', () => texts(rest).includes('sentinel'));
    expect(texts(rest)).toEqual(['sentinel']);
  });

  it('stops at its deadline when a handler hangs, and the message comes again to others', async () => {
    const { topics, groups } = await fixture.names({ topics: 1, groups: 1 });
    const subscription = [{ topic: topics[0]!, tags: [] }];
    const inHand = Promise.withResolvers<void>();
    const hanging = fixture.subscriber(groups[0]!, subscription, () => {
      inHand.resolve();
      return new Promise(() => undefined);
    });
    await hanging.ready();
    await fixture.publisher().publish([message(topics[0]!, 'stuck')]);
    await inHand.promise;
    await hanging.stop(100);
    const received = await fixture.collect(groups[0]!, subscription);
    await fixture.until('the stuck message comes again', () => received.length === 1);
    expect(received[0]).toMatchObject({ deliveryAttempt: 2 });
  });

  it('stops at once while it waits for messages', async () => {
    const { topics, groups } = await fixture.names({ topics: 1, groups: 1 });
    const subscription = [{ topic: topics[0]!, tags: [] }];
    const subscriber = fixture.subscriber(groups[0]!, subscription, async () => undefined);
    await subscriber.ready();
    await subscriber.stop(fixture.times.patienceMs);
    expect(subscriber.state()).toMatchObject({ connected: false, idle: false });
  });
}
