import type { PublishOutcome, ReceivedBrokerMessage } from '@tpc/broker';
import { expect, it } from 'vitest';
import { type BrokerFixture, message, texts } from './broker-fixture.ts';

/** The part of the broker suite in which the broker goes away and comes back. */
export function exerciseOutage(fixture: BrokerFixture): void {
  it('answers while the broker is away: not published, try again', async () => {
    const { topics } = await fixture.names({ topics: 1, groups: 0 });
    const publisher = fixture.publisher(topics);
    expect(await publisher.publish([message(topics[0]!, 'before')])).toMatchObject([{ ok: true }]);
    await fixture.stopBroker();
    const outcomes = await publisher.publish(Array.from({ length: 1_000 }, (_, index) => message(topics[0]!, `m${index}`)));
    expect(outcomes.length).toBe(1_000);
    for (const outcome of outcomes) expect(outcome).toEqual({ ok: false, permanent: false, reason: expect.stringContaining('broker not reached') });
    expect(publisher.state()).toMatchObject({ connected: false, error: expect.stringMatching(/./) });
  });

  it('notices an outage and its end also while there is nothing to send or receive', async () => {
    const { topics, groups } = await fixture.names({ topics: 1, groups: 1 });
    const subscriber = fixture.subscriber(groups[0]!, [{ topic: topics[0]!, tags: [] }], async () => undefined);
    // A publisher that knows no topic yet has no route, and so none of the client's own heartbeats.
    const links = [subscriber, fixture.publisher(topics), fixture.publisher([])];
    await subscriber.ready();
    await fixture.until('all are connected', () => links.every((link) => link.state().connected));
    await fixture.stopBroker();
    await fixture.until('all have noticed the outage', () => links.every((link) => !link.state().connected));
    await fixture.startBroker();
    await fixture.until('all are connected again', () => links.every((link) => link.state().connected));
  });

  it('connects by itself when it is started before the broker', async () => {
    const { topics, groups } = await fixture.names({ topics: 1, groups: 1 });
    await fixture.stopBroker();
    const received: ReceivedBrokerMessage[] = [];
    const subscriber = fixture.subscriber(groups[0]!, [{ topic: topics[0]!, tags: [] }], async (messages) => {
      received.push(...messages);
    });
    const publisher = fixture.publisher(topics);
    const namesAddress = /:\d+/;
    await fixture.until('both say whom they cannot reach', () => [publisher, subscriber].every((each) => namesAddress.test(each.state().error)));
    await fixture.startBroker();
    await subscriber.ready();
    await fixture.until('the publisher is connected', () => publisher.state().connected);
    expect(await publisher.publish([message(topics[0]!, 'first')])).toMatchObject([{ ok: true }]);
    await fixture.until('the message arrives', () => received.length === 1);
  });

  it('loses nothing that was acknowledged when the broker restarts, and goes on by itself', async () => {
    const { topics, groups } = await fixture.names({ topics: 1, groups: 1 });
    const received = await fixture.collect(groups[0]!, [{ topic: topics[0]!, tags: [] }]);
    const publisher = fixture.publisher(topics);
    const published = new Set<string>();
    let running = true;
    const pumping = (async () => {
      for (let next = 0; running; next += 20) {
        const batch = Array.from({ length: 20 }, (_, index) => message(topics[0]!, `m${next + index}`));
        const outcomes: PublishOutcome[] = await publisher.publish(batch);
        for (const [index, outcome] of outcomes.entries()) if (outcome.ok) published.add(`m${next + index}`);
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    await fixture.until('messages flow', () => published.size >= 100);
    await fixture.stopBroker();
    await fixture.until('the outage is noticed', () => !publisher.state().connected);
    const beforeReturn = published.size;
    await fixture.startBroker();
    await fixture.until('messages flow again', () => published.size >= beforeReturn + 100);
    running = false;
    await pumping;
    await fixture.until('all that was acknowledged has arrived', () => {
      const have = new Set(texts(received));
      return [...published].every((text) => have.has(text));
    });
  });
}
