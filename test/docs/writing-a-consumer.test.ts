import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createFileRegistry, fromBinary, fromJsonString } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { createRocketMqPublisher } from '@tpc/broker';
import { FakeTpc } from '@tpc/client/testing';
import { encodeDeliveryProperties } from '@tpc/core';
import { startEmbeddedBroker } from '@tpc/embedded';
import { descriptorSet } from '@tpc/gen/descriptors';
import Database from 'better-sqlite3';
import mysql from 'mysql2/promise';
import { expect, it } from 'vitest';
import { createTestDatabase } from '../support/mariadb.ts';

/** From where a program finds the packages. */
const root = new URL('../../', import.meta.url);
const page = readFileSync(new URL('docs/writing-a-consumer.md', root), 'utf8');
const RUN = ['--conditions=tpc-source', '--no-warnings', '--input-type=module-typescript', '--eval'];

/** The fenced block with these words after its fence. */
function block(fence: string): string {
  const found = new RegExp(`^\`\`\`${fence}\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(page);
  if (found === null) throw new Error(`the page has no block \`\`\`${fence}`);
  return found[1] as string;
}

/** A consumer in one process, over a broker and a TPC in memory, that handles topic T by the block's handler; to append to the block. */
function driver(handler: string, deliveries: string, show: string): string {
  return `
import { connectTpc, createConsumer, InboxState, listInbox, getInbox, migrateClientStore } from '@tpc/client/consumer';
import { FakeTpc, MemoryBroker } from '@tpc/client/testing';
import knexFactory from 'knex';
const knex = knexFactory({ client: 'better-sqlite3', connection: { filename: ':memory:' }, useNullAsDefault: true, pool: { min: 1, max: 1 } });
await migrateClientStore(knex);
await knex.schema.createTable('audit', (table) => { table.string('message_key'); table.string('tag'); });
const fake = await new FakeTpc().start();
const broker = new MemoryBroker();
const tpc = connectTpc({ address: fake.address });
const retry = { firstWaitMs: 1, factor: 1, maxWaitMs: 1, jitter: 0, maxAttempts: 5 };
const consumer = createConsumer({ knex, group: 'G', tpc, subscribe: broker.subscribe, subscriptions: [{ topic: 'T', tags: [] }], handlers: { T: ${handler} }, retry, sweepMs: 20 });
await consumer.start();
await consumer.registered();
broker.deliver(...${deliveries});
const open = async () => (await listInbox(knex, { group: 'G', limit: 100 })).entries.filter((entry) => entry.state === InboxState.RECEIVED).length;
while (consumer.state().counters.stored < ${deliveries}.length || (await open()) > 0) await new Promise((resolve) => setTimeout(resolve, 10));
${show}
await consumer.stop(1000);
tpc.close();
fake.die();
await knex.destroy();
`;
}

async function run(program: string): Promise<unknown> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [...RUN, program], { cwd: new URL('services/opc', root), timeout: 25_000 });
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}

it('the whole consumer runs as it stands: it records each message once and stops on SIGINT', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'docs-consumer-'));
  const broker = await startEmbeddedBroker({ file: join(dir, 'broker.db'), port: 0 });
  const tpc = await new FakeTpc().start();
  const endpoints = `127.0.0.1:${broker.port}`;
  const publisher = createRocketMqPublisher({ endpoints });
  const file = join(dir, 'audit.db');
  const env = { ...process.env, AUDIT_DB: file, TPC_ADDRESS: tpc.address, BROKER_ENDPOINTS: endpoints };
  const program = spawn(process.execPath, [...RUN, block('ts audit')], {
    cwd: new URL('services/opc', root),
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  try {
    let printed = '';
    const prints = (text: string) =>
      new Promise<void>((resolve, reject) => {
        const look = () => printed.includes(text) && resolve();
        look();
        program.stdout.on('data', look);
        program.once('exit', () => reject(new Error(`ended before it printed "${text}": ${printed}`)));
      });
    for (const stream of [program.stdout, program.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        printed += chunk.toString();
      });
    }
    await prints('registered');
    publisher.start();
    const none = { onlyGroup: undefined, contentType: '', headers: {}, traceparent: '', tracestate: '' };
    const properties = encodeDeliveryProperties({ messageKey: 'PID_UAC:1', producerGroup: 'PID_UAC', generation: 1, ...none });
    const message = { topic: 'SEND_EMAIL_TOPIC', tag: 'ACTIVE_USER', keys: ['PID_UAC:1'], body: Buffer.from('{}'), properties };
    while (!(await publisher.publish([message, message])).every(({ ok }) => ok));
    await prints('recorded PID_UAC:1 (ACTIVE_USER)');
    await tpc.until(() => tpc.callsOf('batchConfirmConsumedMessage').length > 0);
    program.removeAllListeners('exit');
    const exited = new Promise((resolve) => program.once('exit', resolve));
    program.kill('SIGINT');
    expect(await exited).toBe(0);
    expect(new Database(file, { readonly: true }).prepare('SELECT * FROM audit').all()).toEqual([{ message_key: 'PID_UAC:1', tag: 'ACTIVE_USER' }]);
  } finally {
    program.kill('SIGKILL');
    await publisher.stop(1_000);
    tpc.die();
    await broker.stop();
    rmSync(dir, { recursive: true, force: true });
  }
});

it('the batch handler writes a row for each message', async () => {
  const deliveries = `['a', 'b', 'c'].map((messageKey) => ({ messageKey, topic: 'T', tag: 'X', body: '{}' }))`;
  const show = `console.log(JSON.stringify(await knex('audit').orderBy('message_key').pluck('message_key')));`;
  expect(await run(block('ts batch') + driver('audit', deliveries, show))).toEqual(['a', 'b', 'c']);
});

it('the handler with effects repeats what failed under the same id, and ends what cannot succeed', async () => {
  const server = `
import { createServer } from 'node:http';
const asked = [];
const server = createServer((request, response) => {
  asked.push([request.url, request.headers['idempotency-key']]);
  const tries = asked.filter(([url]) => url === request.url).length;
  response.writeHead(request.url === '/gone' ? 410 : request.url === '/shaky' && tries === 1 ? 503 : 200).end();
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const at = (path) => 'http://127.0.0.1:' + server.address().port + path;
const deliveries = [
  { messageKey: 'good', topic: 'T', body: JSON.stringify({ urls: [at('/ok'), at('/shaky')] }) },
  { messageKey: 'gone', topic: 'T', body: JSON.stringify({ urls: [at('/gone')] }) },
  { messageKey: 'bad', topic: 'T', body: JSON.stringify({ urls: 7 }) },
];
`;
  const show = `
const all = await Promise.all(['good', 'gone', 'bad'].map((messageKey) => getInbox(knex, { group: 'G', messageKey })));
console.log(JSON.stringify({ asked, all: all.map(({ state, reason, effects }) => [state, reason, effects.map(({ result }) => result)]) }));
server.close();
server.closeAllConnections();
`;
  const shown = (await run(block('ts webhook') + server + driver('webhook', 'deliveries', show))) as { asked: [string, string][]; all: unknown };
  expect(shown.all).toEqual([
    [30, '', ['answered 200', 'answered 200']],
    [50, 'WEBHOOK_GONE', ['']],
    [50, 'BAD_MESSAGE', []],
  ]);
  const shaky = shown.asked.filter(([url]) => url === '/shaky').map(([, id]) => id);
  expect(shaky).toHaveLength(2);
  expect(new Set(shaky).size).toBe(1);
  expect(shown.asked.map(([url]) => url).sort()).toEqual(['/gone', '/ok', '/shaky', '/shaky']);
});

it.each(['RegisterConsumerRequest', 'BatchConfirmConsumedMessageRequest', 'BatchReportConsumeFailureRequest'])(
  'the example of %s fits its contract',
  (name) => {
    const message = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSet)).getMessage(`tpc.v1.${name}`);
    if (message === undefined) throw new Error(`no message ${name}`);
    expect(() => fromJsonString(message, block(`json ${name}`))).not.toThrow();
  },
);

it('the SQL carries a message from its store to its report, and keeps out a process that has lost it', async () => {
  const database = await createTestDatabase('docs');
  const db = await mysql.createConnection({ uri: database.url, namedPlaceholders: true, multipleStatements: false });
  const values = {
    group: 'CID_AUDIT',
    key: 'k',
    generation: 1,
    topic: 'T',
    tag: 'X',
    body: Buffer.from('{}'),
    token: 'first',
    kind: 2,
    wait_ms: 0,
    error: 'no',
  };
  const affected: number[] = [];
  const runBlock = async (name: string, changed: Partial<typeof values> = {}) => {
    affected.length = 0;
    await db.query('SET TRANSACTION ISOLATION LEVEL READ COMMITTED');
    await db.beginTransaction();
    for (const statement of block(`sql ${name}`)
      .split(';')
      .filter((text) => text.trim() !== '')) {
      const [answer] = await db.query(statement, { ...values, ...changed });
      affected.push(Array.isArray(answer) ? answer.length : (answer as { affectedRows: number }).affectedRows);
      if (name === 'consumed' && affected[0] === 0) return void (await db.rollback());
    }
    await db.commit();
  };
  try {
    const schema = readFileSync(new URL('packages/client/sql/inbox.mysql.sql', root), 'utf8').replace(/^--.*$/gm, '');
    for (const statement of schema.split(/;\s*$/m).filter((text) => text.trim() !== '')) await db.query(statement);
    await db.query('CREATE TABLE audit (message_key VARCHAR(160), tag VARCHAR(64))');
    await runBlock('store');
    await expect(runBlock('store')).rejects.toMatchObject({ errno: 1062 });
    await db.rollback();
    await runBlock('claim');
    expect(affected).toEqual([1, 1]);
    await runBlock('claim');
    expect(affected[0]).toBe(0); // it has a lease
    await runBlock('retry');
    await runBlock('claim', { token: 'second' });
    expect(affected).toEqual([1, 1]);
    await runBlock('consumed', { token: 'first' });
    expect(affected).toEqual([0]); // the first claim is over
    await runBlock('consumed', { token: 'second' });
    expect(affected).toEqual([1, 1]);
    await runBlock('reported');
    expect(affected).toEqual([1]);
    const [rows] = await db.query('SELECT state, attempts, claim, due_at, reported_kind, report_due_at FROM tpc_inbox');
    expect(rows).toEqual([{ state: 30, attempts: 2, claim: null, due_at: null, reported_kind: 2, report_due_at: null }]);
    expect((await db.query('SELECT * FROM audit'))[0]).toEqual([{ message_key: 'k', tag: 'X' }]);
  } finally {
    await db.end();
    await database.drop();
  }
});
