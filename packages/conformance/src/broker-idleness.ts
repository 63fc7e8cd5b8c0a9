import { expect, it } from 'vitest';
import { type BrokerFixture, message } from './broker-fixture.ts';

/** When a subscriber says that nothing waits for it, as a whole and topic by topic. */
export function exerciseIdleness(fixture: BrokerFixture): void {
  it('is idle once all its polls come back empty, and not while a batch is in hand', async () => {
    const { topics, groups } = await fixture.names({ topics: 1, groups: 1 });
    const inHand = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    const subscriber = fixture.subscriber(groups[0]!, [{ topic: topics[0]!, tags: [] }], () => {
      inHand.resolve();
      return finish.promise;
    });
    expect(subscriber.state()).toMatchObject({ connected: false, idle: false, idleTopics: [] });
    await subscriber.ready();
    await fixture.publisher().publish([message(topics[0]!, 'm')]);
    await inHand.promise;
    expect(subscriber.state()).toMatchObject({ connected: true, idle: false });
    finish.resolve();
    await fixture.until('the subscriber is idle', () => subscriber.state().idle);
    expect(subscriber.state()).toMatchObject({ connected: true, error: '', idle: true, idleTopics: [topics[0]] });
  });

  it('is idle on a quiet topic though a batch of another one is in hand', async () => {
    const { topics, groups } = await fixture.names({ topics: 2, groups: 1 });
    const [busy, quiet] = topics as [string, string];
    const finish = Promise.withResolvers<void>();
    const subscriptions = [busy, quiet].map((topic) => ({ topic, tags: [] }));
    const subscriber = fixture.subscriber(groups[0]!, subscriptions, () => finish.promise);
    await subscriber.ready();
    await fixture.publisher().publish([message(busy, 'm')]);
    await fixture.until('the quiet topic alone is idle', () => subscriber.state().idleTopics.join() === quiet);
    expect(subscriber.state()).toMatchObject({ connected: true, idle: false });
    finish.resolve();
    await fixture.until('both are idle', () => subscriber.state().idle);
    expect([...subscriber.state().idleTopics].sort()).toEqual([...topics].sort());
  });
}
