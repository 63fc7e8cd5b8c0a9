import { fork } from 'node:child_process';
import { connectTpc, createProducer, migrateClientStore, type Producer, type ProducerEvent, TransactionDoomed } from '@tpc/client/producer';
import { CancelKind, type Message, MessageState } from '@tpc/gen/tpc/v1/message';
import { openDatabase } from '@tpc/platform';
import type { Knex } from 'knex';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestBroker, startTestConsumer, type TestBroker, type TestConsumer } from '../../services/tpc/test/broker-kit.ts';
import { mariaDatabase, sqliteDatabase, startTestTpc, type TestDatabase, type TestTpc } from '../../services/tpc/test/support.ts';
import { until } from '../support/until.ts';

const GROUP = 'PID_TEST';
const TOPIC = 'TEST_TOPIC';

/** The library against a real TPC: what becomes of a message whose producer dies, or is slow, at each place of its transaction. */
describe.each([
  ['SQLite', sqliteDatabase],
  ['MariaDB', mariaDatabase],
])('check-back between the client library and TPC on %s', (dialect, makeDatabase) => {
  let broker: TestBroker;
  let tpcDatabase: TestDatabase;
  let tpc: TestTpc;
  let consumer: TestConsumer;
  let database: TestDatabase;
  const cleanups: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    broker = await startTestBroker();
    tpcDatabase = await makeDatabase();
    tpc = await startTestTpc({ TPC_DATABASE_URL: tpcDatabase.url, BROKER_ENDPOINTS: broker.endpoints });
    consumer = await startTestConsumer(broker, 'CID_TEST', TOPIC);
    await consumer.register(tpc);
  });
  afterAll(async () => {
    await consumer.stop();
    await tpc.stop();
    await broker.drop();
    await tpcDatabase.drop();
  });
  beforeEach(async () => {
    database = await makeBusinessDatabase();
  });
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  const address = () => `127.0.0.1:${tpc.service.grpcPort}`;

  async function makeBusinessDatabase(): Promise<TestDatabase> {
    const made = await makeDatabase();
    const knex = openDatabase({ url: made.url });
    await migrateClientStore(knex);
    await knex.schema.createTable('business', (table) => table.integer('id').primary());
    await knex.destroy();
    cleanups.push(made.drop);
    return made;
  }

  /** An instance of the group on a database, without a sweeper: what it delivers, check-back has found. */
  async function startInstance(url: string, checkBack: boolean): Promise<{ producer: Producer; knex: Knex; verdicts: Map<string, string[]> }> {
    const knex = openDatabase({ url });
    const connection = connectTpc({ address: address() });
    const verdicts = new Map<string, string[]>();
    const onEvent = (event: ProducerEvent) => {
      if (event.type === 'verdict') verdicts.set(event.messageKey, [...(verdicts.get(event.messageKey) ?? []), event.verdict]);
    };
    const producer = createProducer({
      knex,
      group: GROUP,
      tpc: connection,
      prepareBudgetMs: 10_000,
      sweep: { enabled: false },
      checkBack: { enabled: checkBack, waitMs: 2_000 },
      onEvent,
    });
    await producer.start();
    cleanups.push(async () => {
      await producer.stop(2_000);
      connection.close();
      await knex.destroy();
    });
    return { producer, knex, verdicts };
  }

  /** Runs a producer up to the stage, then kills it with -9. */
  async function dieAt(stage: 'prepared' | 'committed'): Promise<string> {
    const child = fork('test/e2e/dying-producer.ts', {
      execArgv: ['--conditions=tpc-source', '--disable-warning=ExperimentalWarning'],
      env: { ...process.env, DATABASE_URL: database.url, TPC_ADDRESS: address(), STAGE: stage, GROUP, TOPIC },
    });
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    const { key } = await new Promise<{ key: string }>((resolve, reject) => {
      child.once('message', (message) => resolve(message as { key: string }));
      child.once('exit', (code) => reject(new Error(`the producer ended with ${code}`)));
    });
    child.kill('SIGKILL');
    await exited;
    return key;
  }

  async function messageOf(key: string): Promise<Message> {
    return (await tpc.admin.getMessage({ messageKey: key })).message as Message;
  }

  const inState = (key: string, state: MessageState) => until(`${key} is in state ${state}`, async () => (await messageOf(key)).state === state);

  it('cancels for good what a producer prepared that died before its commit, and a late commit of that key fails', async () => {
    const key = await dieAt('prepared');
    expect((await messageOf(key)).state).toBe(MessageState.MESSAGE_STATE_WAITING_CONFIRM);
    const { knex } = await startInstance(database.url, true);
    await inState(key, MessageState.MESSAGE_STATE_CANCELLED);
    expect((await messageOf(key)).cancelKind).toBe(CancelKind.CANCEL_KIND_ROLLED_BACK);
    expect(await knex('business')).toEqual([]);
    const late = knex.transaction(async (tx) => {
      await tx('business').insert({ id: 2 });
      await tx('tpc_outbox').insert({ message_key: key, state: 10, created_at: 1 });
    });
    await expect(late).rejects.toThrow();
    expect(await knex('business')).toEqual([]);
    expect(consumer.arrived.filter((arrived) => arrived.messageKey === key)).toEqual([]);
  });

  it('sends what a producer committed that died before its confirm', async () => {
    const key = await dieAt('committed');
    const { knex } = await startInstance(database.url, true);
    expect((await consumer.waitFor(key)).text).toBe('from a process that dies');
    expect(await knex('business')).toEqual([{ id: 1 }]);
  });

  it('leaves waiting what is still open past the time-out, asks again, and sends it when it commits', async () => {
    const { producer, verdicts } = await startInstance(database.url, true);
    // On MariaDB another replica, which knows nothing of the open transaction, may be asked as well.
    const other = dialect === 'MariaDB' ? await startInstance(database.url, true) : undefined;
    const asked = (key: string) => [...(verdicts.get(key) ?? []), ...(other?.verdicts.get(key) ?? [])];
    let key = '';
    await producer.transaction(async (tx, outbox) => {
      await tx('business').insert({ id: 1 });
      key = await outbox.add({ topic: TOPIC, body: 'slow' });
      await until('TPC has asked three times', () => asked(key).length >= 3);
      expect((await messageOf(key)).state).toBe(MessageState.MESSAGE_STATE_WAITING_CONFIRM);
    });
    expect(asked(key).filter((verdict) => verdict === 'ROLLED_BACK')).toEqual([]);
    expect((await consumer.waitFor(key)).text).toBe('slow');
  });

  it('gives an own key behind a barrier its next name, and commits nothing whose outbox row is gone', async () => {
    const { producer, knex } = await startInstance(database.url, false);
    await knex('tpc_outbox').insert({ message_key: `${GROUP}:late`, state: 90, created_at: 1 });
    const key = await producer.transaction(async (tx, outbox) => {
      await tx('business').insert({ id: 1 });
      return outbox.add({ topic: TOPIC, key: `${GROUP}:late`, body: 'again' });
    });
    expect(key).toBe(`${GROUP}:late.2`);
    expect((await consumer.waitFor(key)).text).toBe('again');
    const doomed = producer.transaction(async (tx, outbox) => {
      await tx('business').insert({ id: 2 });
      await tx.raw('DELETE FROM tpc_outbox WHERE message_key = ?', [await outbox.add({ topic: TOPIC, body: 'x' })]);
    });
    await expect(doomed).rejects.toBeInstanceOf(TransactionDoomed);
    expect(await knex('business')).toEqual([{ id: 1 }]);
  });

  it('loses nothing when a delete overtakes the commit', async () => {
    const { producer } = await startInstance(database.url, false);
    let key = '';
    await producer.transaction(async (tx, outbox) => {
      await tx('business').insert({ id: 1 });
      key = await outbox.add({ topic: TOPIC, body: 'deleted too early' });
      await until('TPC has it', () => messageOf(key));
      await tpc.messages.deleteMessageByMessageKey({ producerGroup: GROUP, messageKey: key });
      expect((await messageOf(key)).cancelKind).toBe(CancelKind.CANCEL_KIND_ABORTED);
    });
    expect((await consumer.waitFor(key)).text).toBe('deleted too early');
  });

  it('never asks an instance on another store', async () => {
    const copy = await makeBusinessDatabase();
    const key = await dieAt('committed');
    const stranger = await startInstance(copy.url, true);
    const before = (await messageOf(key)).checkCount;
    // The stranger's own message is asked for and answered meanwhile, so it is asking.
    await stranger.producer.transaction(async (_tx, outbox) => {
      const own = await outbox.add({ topic: TOPIC, body: 'own' });
      await until('the stranger was asked for its own', () => (stranger.verdicts.get(own)?.length ?? 0) >= 3);
    });
    expect(stranger.verdicts.has(key)).toBe(false);
    expect(await messageOf(key)).toMatchObject({ state: MessageState.MESSAGE_STATE_WAITING_CONFIRM, checkCount: before });
    expect(await stranger.knex('tpc_outbox').where({ message_key: key })).toEqual([]);
    await startInstance(database.url, true);
    await consumer.waitFor(key);
  });
});
