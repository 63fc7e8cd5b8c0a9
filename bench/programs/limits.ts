/** What the parts beneath can do by themselves, in this run: the measure for everything above them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { createRocketMqPublisher, createRocketMqSubscriber } from '@tpc/broker';
import mysql from 'mysql2/promise';
import { Producer } from 'rocketmq-client-nodejs';
import { now } from '../clock.ts';
import { type Quantiles, quantiles } from '../quantiles.ts';
import { body, HOP_GROUP, HOP_TOPIC, LIMIT_TOPIC } from '../settings.ts';
import { serve, setting } from './serve.ts';
import { SILENT } from './silent.ts';

const content = Buffer.from(body());
const endpoints = setting('BENCH_BROKER');

/** Runs `work` again and again in so many loops. @returns how often a second it ended */
async function rate(loops: number, seconds: number, work: (loop: number) => Promise<number>): Promise<number> {
  const began = performance.now();
  const end = began + seconds * 1000;
  let done = 0;
  const loop = async (_: unknown, index: number) => {
    while (performance.now() < end) {
      const ended = await work(index);
      done += ended;
    }
  };
  await Promise.all(Array.from({ length: loops }, loop));
  return (done * 1000) / (performance.now() - began);
}

/** Single-row inserts that commit by themselves, on connections of their own. */
async function commits({ connections, seconds }: { connections: number; seconds: number }): Promise<number> {
  const url = setting('BENCH_DATABASE_URL');
  const opened = await Promise.all(Array.from({ length: connections }, () => mysql.createConnection(url)));
  try {
    await opened[0]?.query('CREATE TABLE IF NOT EXISTS bench_limit (id BIGINT AUTO_INCREMENT PRIMARY KEY, body VARBINARY(1024)) ENGINE=InnoDB');
    return await rate(connections, seconds, async (index) => {
      await opened[index]?.query('INSERT INTO bench_limit (body) VALUES (?)', [content]);
      return 1;
    });
  } finally {
    await Promise.all(opened.map((connection) => connection.end()));
  }
}

/** The client's own way: one message a request. */
async function singleSends({ callers, seconds }: { callers: number; seconds: number }): Promise<number> {
  const producer = new Producer({ endpoints, namespace: '', topic: LIMIT_TOPIC, logger: SILENT });
  await producer.startup();
  try {
    return await rate(callers, seconds, async () => {
      await producer.send({ topic: LIMIT_TOPIC, body: content });
      return 1;
    });
  } finally {
    await producer.shutdown();
  }
}

/** The product's publisher: 128 messages a request, two requests at once. */
async function batchSends({ seconds }: { seconds: number }): Promise<number> {
  const publisher = createRocketMqPublisher({ endpoints, topics: [LIMIT_TOPIC] });
  publisher.start();
  const batch = Array.from({ length: 128 }, (_, index) => ({ topic: LIMIT_TOPIC, tag: '', keys: [`k${index}`], body: content, properties: {} }));
  try {
    await publisher.publish(batch);
    return await rate(2, seconds, async () => {
      const outcomes = await publisher.publish(batch);
      return outcomes.filter(({ ok }) => ok).length;
    });
  } finally {
    await publisher.stop(2_000);
  }
}

/** From send to receipt through the broker, at a steady rate. */
async function hop({ perSecond, seconds }: { perSecond: number; seconds: number }): Promise<Quantiles> {
  const publisher = createRocketMqPublisher({ endpoints, topics: [HOP_TOPIC] });
  const took: number[] = [];
  const since = now();
  const subscriber = createRocketMqSubscriber(
    { endpoints },
    {
      group: HOP_GROUP,
      subscriptions: [{ topic: HOP_TOPIC, tags: [] }],
      onBatch: async (messages) => {
        for (const { properties } of messages) if (Number(properties['sent-at']) >= since) took.push(now() - Number(properties['sent-at']));
      },
    },
  );
  publisher.start();
  subscriber.start();
  try {
    await subscriber.ready();
    const began = performance.now();
    for (let count = 0; count < perSecond * seconds; count++) {
      await sleep(Math.max(0, began + (count * 1000) / perSecond - performance.now()));
      void publisher.publish([{ topic: HOP_TOPIC, tag: '', keys: [`h${count}`], body: content, properties: { 'sent-at': String(now()) } }]);
    }
    for (let waited = 0; took.length < perSecond * seconds && waited < 3_000; waited += 50) await sleep(50);
    return quantiles(took);
  } finally {
    await Promise.all([publisher.stop(2_000), subscriber.stop(2_000)]);
  }
}

serve({ commits, singleSends, batchSends, hop }, async () => undefined);
