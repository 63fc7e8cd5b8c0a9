/** The examples in Python, which share no code with us, against the real product: what docs/protocol.md promises to any language. */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { CancelKind, type Message, MessageState } from '@tpc/gen/tpc/v1/message';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Product } from '../support/product.ts';
import { ensurePython, makePythonStubs } from '../support/programs/python.ts';
import { until } from '../support/until.ts';

const EXAMPLES = resolve(import.meta.dirname, '../../examples');
const PRODUCER = join(EXAMPLES, 'python-producer');
const CONSUMER = join(EXAMPLES, 'python-consumer', 'consumer.py');
const folder = mkdtempSync(join(tmpdir(), 'tpc-polyglot-'));
const started: ChildProcess[] = [];
let python: string;
let product: Product;

/** A program with its output, and its exit code once it has ended. */
type Run = { readonly output: string; readonly ended: Promise<number | null>; kill(): Promise<unknown> };

function run(args: string[], changed: Record<string, string> = {}): Run {
  const env = {
    ...process.env,
    HOME: folder, // where the RocketMQ client writes its log
    PYTHONPATH: [folder, PRODUCER].join(':'),
    PYTHONDONTWRITEBYTECODE: '1',
    TPC_ADDRESS: product.tpc,
    BROKER_ENDPOINTS: `127.0.0.1:${product.ports.BROKER_GRPC_PORT}`,
    ORDERS_DB: join(folder, 'orders.db'),
    SHIPPING_DB: join(folder, 'shipping.db'),
    ...changed,
  };
  const child = spawn(python, ['-u', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  started.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const ended = new Promise<number | null>((done) => child.once('close', done));
  return {
    get output() {
      return output;
    },
    ended,
    kill() {
      child.kill('SIGKILL');
      return ended;
    },
  };
}

/** Rows of one of the examples' databases. */
function rows(database: 'orders' | 'shipping', sql: string): unknown[] {
  const db = new Database(join(folder, `${database}.db`), { readonly: true });
  try {
    return db.prepare(sql).all();
  } finally {
    db.close();
  }
}

/** Waits until a message is in a state. */
async function messageIn(state: MessageState, messageKey: string): Promise<Message> {
  return until(`${messageKey} is in state ${state}`, async () => (await product.messages({ messageKey })).find((found) => found.state === state));
}

/** Runs a producer that orders an item, and kills it once TPC has the prepared message; answers with the message's key. */
async function orderAndDie(item: string, stopsAt: 'before commit' | 'after commit'): Promise<string> {
  const program = run([
    '-c',
    `
import os, threading
from producer import Producer
producer = Producer(os.environ["ORDERS_DB"], os.environ["TPC_ADDRESS"])
stop = lambda *_: threading.Event().wait()
producer.confirm = stop
with producer.transaction() as (db, send):
    db.execute("INSERT INTO orders VALUES ('${item}')")
    key = send(b'{"item": "${item}"}')
    print(key, flush=True)
    if "${stopsAt}" == "before commit":
        stop()
`,
  ]);
  const key = await until(`the order of ${item}`, () => /^\S{36}$/m.exec(program.output)?.[0]);
  await messageIn(MessageState.MESSAGE_STATE_WAITING_CONFIRM, key);
  if (stopsAt === 'after commit')
    await until('the commit', () => rows('orders', `SELECT * FROM tpc_outbox WHERE message_key = '${key}'`).length === 1);
  await program.kill();
  return key;
}

beforeAll(async () => {
  python = ensurePython();
  makePythonStubs(python, folder);
  product = await Product.make({ TPC_CHECK_FIRST_MS: '500', TPC_CHECK_POLL_MS: '100' });
  await product.start();
}, 300_000);

afterAll(async () => {
  for (const child of started) child.kill('SIGKILL');
  await product?.end('SIGTERM');
  rmSync(folder, { recursive: true, force: true });
  if (product) rmSync(product.dataDir, { recursive: true, force: true });
});

it('without a subscriber an order in Python is refused in words, and is not in its database', async () => {
  const refused = run([join(PRODUCER, 'producer.py'), 'lamp']);
  expect(await refused.ended).toBe(1);
  expect(refused.output.trim()).toBe('not ordered: No consumer group subscribes topic ORDER_TOPIC, tag "PAID".');
  expect(rows('orders', 'SELECT * FROM tpc_outbox')).toEqual([]);
});

it('an order in Python is shipped in Python, once, and TPC sees it finished', async () => {
  const consumer = run([CONSUMER]);
  await until('the consumer is registered', () => consumer.output.startsWith('registered') || Promise.reject(new Error(consumer.output)));
  const producer = run([join(PRODUCER, 'producer.py'), 'a "book"']);
  expect(await producer.ended, producer.output).toBe(0);
  const key = /message (\S+)/.exec(producer.output)?.[1] as string;
  await messageIn(MessageState.MESSAGE_STATE_FINISHED, key);
  expect(rows('orders', 'SELECT item FROM orders')).toEqual([{ item: 'a "book"' }]);
  expect(rows('shipping', 'SELECT item FROM shipments')).toEqual([{ item: 'a "book"' }]);
});

it('a consumer with another inbox is refused in words', async () => {
  const second = run([CONSUMER], { SHIPPING_DB: join(folder, 'second.db') });
  expect(await second.ended).toBe(1);
  expect(second.output.trim()).toBe('not registered: Consumer group CID_SHIPPING is bound to another inbox database.');
});

it('a bad message is dead at once, and TPC has the reason', async () => {
  const producer = run([join(PRODUCER, 'producer.py'), '']);
  expect(await producer.ended, producer.output).toBe(0);
  const key = /message (\S+)/.exec(producer.output)?.[1] as string;
  expect((await messageIn(MessageState.MESSAGE_STATE_DEAD, key)).reason).toContain('GROUP_FAILED');
  // TPC has the report before its answer is noted in the inbox.
  const inbox = `SELECT reason, last_error, reported_kind FROM tpc_inbox WHERE message_key = '${key}'`;
  await until('the report is noted', () => rows('shipping', `${inbox} AND reported_kind <> 0`).length === 1);
  expect(rows('shipping', inbox)).toEqual([{ reason: 'BAD_MESSAGE', last_error: 'item is missing', reported_kind: 3 }]);
});

it('of producers that died, what was committed is shipped and what was not is cancelled', async () => {
  const lost = await orderAndDie('lost', 'before commit');
  const kept = await orderAndDie('kept', 'after commit');
  run(['-c', 'import os; from producer import *; Producer(os.environ["ORDERS_DB"], os.environ["TPC_ADDRESS"]).start(); threading.Event().wait()']);
  await messageIn(MessageState.MESSAGE_STATE_FINISHED, kept);
  expect(rows('shipping', "SELECT item FROM shipments WHERE item IN ('lost', 'kept')")).toEqual([{ item: 'kept' }]);
  expect((await messageIn(MessageState.MESSAGE_STATE_CANCELLED, lost)).cancelKind).toBe(CancelKind.CANCEL_KIND_ROLLED_BACK);
  expect(rows('orders', `SELECT state FROM tpc_outbox WHERE message_key = '${lost}'`)).toEqual([{ state: 90 }]);
  expect(rows('orders', "SELECT item FROM orders WHERE item IN ('lost', 'kept')")).toEqual([{ item: 'kept' }]);
});

it('while TPC and the broker are away orders are taken, and they are shipped after the return', async () => {
  await product.end('SIGKILL');
  const producer = run([join(PRODUCER, 'producer.py'), 'patience']);
  await until('the order is taken', () => producer.output.includes('ordered patience'));
  await product.start();
  await until('it is shipped', () => rows('shipping', "SELECT item FROM shipments WHERE item = 'patience'").length === 1, 60_000);
  expect(await producer.ended, producer.output).toBe(0);
});
