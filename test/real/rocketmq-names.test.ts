import { setTimeout as sleep } from 'node:timers/promises';
import { type BrokerSubscriber, createRocketMqPublisher, createRocketMqSubscriber, type OutgoingBrokerMessage } from '@tpc/broker';
import { afterEach, describe, expect, it } from 'vitest';
import { makeGroups, makeTopics } from '../../tools/stack/rocketmq/parts.ts';
import type { Stack } from '../../tools/stack/stack.ts';
import { realStack } from '../support/real-stack.ts';
import { until } from '../support/until.ts';

const found = await realStack();
const run = `${process.pid}_${Date.now()}`;

/** What happens with topics and consumer groups that nobody has made, on a broker that makes none by itself, and once somebody makes them. */
describe.skipIf(!found)('topics and groups that do not exist on a real RocketMQ', () => {
  const stack = found as Stack;
  const endpoints = () => stack.addresses.BROKER_ENDPOINTS as string;
  const opened: { stop(deadlineMs: number): Promise<void> }[] = [];
  const said: string[] = [];

  afterEach(async () => {
    said.length = 0;
    await Promise.all(opened.splice(0).map((each) => each.stop(1_000)));
  });

  const logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: (fields: object, text: string) => void said.push(`${text} ${JSON.stringify(fields)}`),
    error: () => undefined,
  };

  function subscriber(group: string, topics: string[], arrived: string[]): BrokerSubscriber {
    const made = createRocketMqSubscriber(
      { endpoints: endpoints(), logger },
      {
        group,
        subscriptions: topics.map((topic) => ({ topic, tags: [] })),
        onBatch: async (messages) => void arrived.push(...messages.map(({ keys }) => keys[0] as string)),
        invisibleMs: 10_000,
      },
    );
    opened.push(made);
    made.start();
    return made;
  }

  function publisher() {
    const made = createRocketMqPublisher({ endpoints: endpoints(), logger });
    opened.push(made);
    made.start();
    return made;
  }

  const message = (topic: string, key: string): OutgoingBrokerMessage => ({ topic, tag: '', keys: [key], body: Buffer.from(key), properties: {} });

  it('names the topic in the outcome, keeps the others going, and publishes once the topic is made', async () => {
    const [known, unknown] = [`T_KNOWN_${run}`, `T_LATE_${run}`];
    await makeTopics(stack.settings, [known]);
    const link = publisher();
    await until('the publisher is connected', () => link.state().connected);
    const [first, second] = await link.publish([message(known, 'a'), message(unknown, 'b')]);
    expect(first).toMatchObject({ ok: true });
    expect(second).toEqual({ ok: false, permanent: false, reason: expect.stringMatching(new RegExp(`TOPIC_NOT_FOUND.*${unknown}`)) });
    expect(link.state()).toMatchObject({ connected: true, error: '' });
    await makeTopics(stack.settings, [unknown]);
    const since = performance.now();
    await until('the late topic is published to', async () => (await link.publish([message(unknown, 'c')]))[0]?.ok, 30_000, 200);
    console.log(`publishing to a topic that was made late: after ${(performance.now() - since).toFixed(0)} ms`);
  });

  it('names a subscribed topic that does not exist once, receives the others, and that one too once it is made', async () => {
    const [known, unknown, group] = [`T_HERE_${run}`, `T_LATER_${run}`, `G_TOPIC_${run}`];
    await makeTopics(stack.settings, [known]);
    await makeGroups(stack.settings, [group]);
    const arrived: string[] = [];
    const link = subscriber(group, [known, unknown], arrived);
    await link.ready();
    expect(link.state().connected).toBe(true);
    const naming = () => said.filter((line) => line.includes(unknown));
    expect(naming()).toEqual([expect.stringContaining(`topic ${unknown} does not exist on the broker: make it there`)]);
    const sender = publisher();
    await sender.publish([message(known, 'known')]);
    await until('the known topic arrives', () => arrived.includes('known'));
    await makeTopics(stack.settings, [unknown]);
    const since = performance.now();
    await until('the late topic arrives', async () => (await sender.publish([message(unknown, 'late')])) && arrived.includes('late'), 40_000, 500);
    console.log(`receiving from a topic that was made late: after ${(performance.now() - since).toFixed(0)} ms`);
    expect(naming()).toHaveLength(1);
  });

  it('names a group that does not exist in its state, and receives once it is made', async () => {
    const [topic, group] = [`T_GROUP_${run}`, `G_LATE_${run}`];
    await makeTopics(stack.settings, [topic]);
    const arrived: string[] = [];
    const link = subscriber(group, [topic], arrived);
    await until('the state names the group', () => link.state().error.includes(group));
    console.log(`a missing group reads: ${link.state().error}`);
    // It says so all the time, also between two tries, and once in the log.
    for (let looks = 0; looks < 60; looks++) {
      expect(link.state()).toMatchObject({ connected: false, error: expect.stringContaining(group) });
      await sleep(50);
    }
    expect(said.filter((line) => line.includes(group))).toHaveLength(1);
    await makeGroups(stack.settings, [group]);
    const since = performance.now();
    const sender = publisher();
    await until('messages arrive', async () => (await sender.publish([message(topic, 'm')])) && arrived.length > 0, 40_000, 500);
    console.log(`receiving for a group that was made late: after ${(performance.now() - since).toFixed(0)} ms`);
    await until('it says that it is connected', () => link.state().connected);
  });
});
