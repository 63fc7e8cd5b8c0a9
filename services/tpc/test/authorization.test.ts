import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { ListMessagesRequest } from '@tpc/gen/tpc/v1/message_admin_service';
import { Verdict } from '@tpc/gen/tpc/v1/reliable_message_service';
import { createLog, hashToken, openDatabase, StartError, type TokenEntry } from '@tpc/platform';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type Callers,
  callersOf,
  itemRefusal,
  outgoing,
  refusalOf,
  sqliteDatabase,
  startTestTpc,
  type TestDatabase,
  type TestTpc,
} from './support.ts';

const TOKENS = {
  producerA: 'tpc_producer-a',
  producerB: 'tpc_producer-b',
  consumerA: 'tpc_consumer-a',
  viewer: 'tpc_viewer',
  operator: 'tpc_operator',
};
type Who = keyof typeof TOKENS;

const WHO: Record<Who, object> = {
  producerA: { kind: 'producer', group: 'PID_A' },
  producerB: { kind: 'producer', group: 'PID_B' },
  consumerA: { kind: 'consumer', group: 'CID_A' },
  viewer: { kind: 'operator', name: 'ada', role: 'viewer' },
  operator: { kind: 'operator', name: 'bob', role: 'operator' },
};

let dir: string;
let database: TestDatabase;
let tpc: TestTpc;
let lines: string[];
let opened: Callers[];

const file = () => join(dir, 'tokens.json');
const entryOf = (who: Who) => ({ ...WHO[who], sha256: hashToken(TOKENS[who]).toString('hex') }) as TokenEntry;
const writeTokens = (...known: Who[]) => writeFileSync(file(), JSON.stringify({ entries: known.map(entryOf) }));
const reload = () => tpc.service.reload?.();

function as(who: Who): Callers {
  const callers = callersOf(tpc.service.grpcPort, TOKENS[who]);
  opened.push(callers);
  return callers;
}

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tpc-authorization-'));
  database = await sqliteDatabase();
  lines = [];
  opened = [];
  writeTokens(...(Object.keys(TOKENS) as Who[]));
  const log = createLog({ service: 'tpc', level: 'trace', format: 'json' }, { write: (line) => void lines.push(line) });
  tpc = await startTestTpc({ TPC_DATABASE_URL: database.url, TPC_TOKENS_FILE: file() }, log);
  const { consumerGroup, storeId } = { consumerGroup: 'CID_A', storeId: 'inbox' };
  const subscriptions = [{ topic: 'SEND_EMAIL_TOPIC', tags: [] }];
  await as('consumerA').messages.registerConsumer({ consumerGroup, storeId, instanceId: 'i', subscriptions });
});
afterEach(async () => {
  for (const { client } of opened) client.close();
  await tpc.stop();
  await database.drop();
  rmSync(dir, { recursive: true, force: true });
  const said = lines.join('');
  for (const token of Object.values(TOKENS)) expect(said).not.toContain(token);
});

/** Begins a long poll of a registered instance, and waits until it is held: it is the instance's sign of life. */
async function hold<T>(instanceId: string, poll: () => Promise<T>): Promise<{ answer: Promise<T> }> {
  await as('producerA').messages.registerProducer({ producerGroup: 'PID_A', storeId: 's', instanceId, topics: [] });
  const knex = openDatabase({ url: database.url });
  try {
    await knex('instance').update({ heartbeat_at: 0 });
    const answer = poll();
    await expect.poll(() => knex('instance').where('heartbeat_at', '>', 0), { timeout: 10_000 }).toHaveLength(1);
    return { answer };
  } finally {
    await knex.destroy();
  }
}

const KEY = '0195a0b4-0000-7000-8000-000000000001';
const DENIED = status.PERMISSION_DENIED;
const save = (who: Callers, producerGroup: string, messageKey = KEY) =>
  who.messages.saveMessageWaitingConfirm({ producerGroup, storeId: 's', message: outgoing({ messageKey }) });

describe('a producer', () => {
  it('does its own work with its token', async () => {
    const own = as('producerA');
    await own.messages.registerProducer({ producerGroup: 'PID_A', storeId: 's', instanceId: 'i', topics: [] });
    await save(own, 'PID_A');
    expect((await own.messages.confirmAndSendMessage({ producerGroup: 'PID_A', messageKey: KEY })).state).toBe(20);
  });

  it("cannot act for another group, with that group's key or without", async () => {
    await save(as('producerA'), 'PID_A');
    const other = as('producerB').messages;
    const owner = { producerGroup: 'PID_A', storeId: 's' };
    const attempts = [
      save(as('producerB'), 'PID_A'),
      save(as('producerB'), 'PID_A', '0195a0b4-0000-7000-8000-000000000002'),
      other.confirmAndSendMessage({ producerGroup: 'PID_A', messageKey: KEY }),
      other.batchConfirmAndSendMessage({ producerGroup: 'PID_A', messageKeys: [KEY] }),
      other.saveAndSendMessage({ ...owner, message: outgoing({ messageKey: KEY }), committed: true }),
      other.deleteMessageByMessageKey({ producerGroup: 'PID_A', messageKey: KEY }),
      other.fetchUncertainMessages({ ...owner, instanceId: 'i', wait: { seconds: 0n, nanos: 0 } }),
      other.reportOutcomes({ ...owner, outcomes: [{ messageKey: KEY, verdict: Verdict.VERDICT_ROLLED_BACK }] }),
      other.registerProducer({ ...owner, instanceId: 'i', topics: [] }),
    ];
    for (const attempt of attempts) expect(await refusalOf(attempt)).toMatchObject({ status: DENIED, reason: 'GROUP_FOREIGN' });
    const { message } = await as('viewer').admin.getMessage({ messageKey: KEY });
    expect(message?.state).toBe(10);
  });

  it("learns and changes nothing of another group's key under its own name", async () => {
    await save(as('producerA'), 'PID_A');
    const other = as('producerB');
    expect(await refusalOf(save(other, 'PID_B'))).toMatchObject({ reason: 'KEY_CONFLICT' });
    expect(await refusalOf(save(other, 'PID_B', 'PID_A:order-1'))).toMatchObject({ status: status.INVALID_ARGUMENT });
    const { messages } = other;
    const own = { producerGroup: 'PID_B', messageKey: KEY };
    expect(await refusalOf(messages.confirmAndSendMessage(own))).toMatchObject({ status: status.NOT_FOUND });
    expect(await refusalOf(messages.deleteMessageByMessageKey(own))).toMatchObject({ status: status.NOT_FOUND });
    const outcomes = [{ messageKey: KEY, verdict: Verdict.VERDICT_ROLLED_BACK }];
    const { results } = await messages.reportOutcomes({ producerGroup: 'PID_B', storeId: 's', outcomes });
    expect(itemRefusal(results[0]?.status).status).toBe(status.NOT_FOUND);
    expect(
      (await messages.fetchUncertainMessages({ producerGroup: 'PID_B', storeId: 's', instanceId: 'i', wait: { seconds: 0n, nanos: 0 } })).messages,
    ).toEqual([]);
    expect((await as('viewer').admin.getMessage({ messageKey: KEY })).message?.state).toBe(10);
  });

  it('cannot act as a consumer or as an operator', async () => {
    const { messages, admin } = as('producerA');
    expect(await refusalOf(messages.confirmConsumedMessage({ consumerGroup: 'CID_A', messageKey: KEY }))).toMatchObject({ status: DENIED });
    expect(await refusalOf(messages.confirmConsumedMessage({ consumerGroup: 'PID_A', messageKey: KEY }))).toMatchObject({ status: DENIED });
    for (const call of [admin.listMessages({}), admin.getMessage({ messageKey: KEY }), admin.resendMessage({ messageKey: KEY })])
      expect(await refusalOf(call)).toMatchObject({ status: DENIED, reason: 'ROLE_NEEDED' });
  });
});

describe('a consumer', () => {
  it('reports for its own group alone, and cannot act as a producer', async () => {
    const { messages } = as('consumerA');
    expect(await messages.confirmReceiveMessage({ consumerGroup: 'CID_A', messageKey: KEY })).toMatchObject({ tracked: false });
    const delivery = { messageKey: KEY, generation: 1 };
    for (const call of [
      messages.confirmConsumedMessage({ consumerGroup: 'CID_B', messageKey: KEY }),
      messages.batchConfirmReceiveMessage({ consumerGroup: 'CID_B', deliveries: [delivery] }),
      messages.reportConsumeFailure({ consumerGroup: 'CID_B', messageKey: KEY, reason: 'POISON' }),
      messages.registerConsumer({ consumerGroup: 'CID_B', storeId: 's', instanceId: 'i', subscriptions: [] }),
      save(as('consumerA'), 'CID_A'),
    ])
      expect(await refusalOf(call)).toMatchObject({ status: DENIED, reason: 'GROUP_FOREIGN' });
  });
});

describe('an operator', () => {
  it('who may only look, looks and does nothing', async () => {
    const { admin } = as('viewer');
    expect((await admin.listMessages({})).messages).toEqual([]);
    expect(await refusalOf(admin.resendMessage({ messageKey: KEY }))).toMatchObject({ status: DENIED, reason: 'ROLE_NEEDED' });
  });

  it('with the role acts, but speaks for no group', async () => {
    expect(await refusalOf(as('operator').admin.resendMessage({ messageKey: KEY }))).toMatchObject({
      reason: expect.not.stringMatching('ROLE_NEEDED'),
    });
    expect(await refusalOf(save(as('operator'), 'PID_A'))).toMatchObject({ status: DENIED, reason: 'GROUP_FOREIGN' });
  });
});

it('an operator stands in the timeline by the name in the token', async () => {
  await as('producerA').messages.saveAndSendMessage({ producerGroup: 'PID_A', committed: true, message: outgoing({ messageKey: KEY }) });
  await as('operator').admin.resendMessage({ messageKey: KEY });
  const { timeline } = await as('viewer').admin.getMessage({ messageKey: KEY });
  expect(timeline.find(({ kind }) => kind === 'RESENT')?.actor).toBe('bob');
});

describe('while TPC runs', () => {
  it('nobody comes in without a token', async () => {
    expect(await refusalOf(tpc.admin.listMessages(ListMessagesRequest.decode(new Uint8Array())))).toMatchObject({
      status: status.UNAUTHENTICATED,
      reason: 'TOKEN_MISSING',
    });
    expect(await refusalOf(save(tpc, 'PID_A'))).toMatchObject({ status: status.UNAUTHENTICATED, reason: 'TOKEN_MISSING' });
  });

  it('a removed token ends the long poll that came with it, which then takes no question away', async () => {
    const { messages } = as('producerA');
    const poll = { producerGroup: 'PID_A', storeId: 's', wait: { seconds: 30n, nanos: 0 } };
    const held = await hold('revoked', () => refusalOf(messages.fetchUncertainMessages({ ...poll, instanceId: 'revoked' })));
    writeTokens('producerB', 'viewer');
    await reload();
    expect(await held.answer).toMatchObject({ status: status.UNAUTHENTICATED, reason: 'TOKEN_UNKNOWN' });
    writeTokens('producerA', 'viewer');
    await reload();
    await save(as('producerA'), 'PID_A');
    const found = await as('producerA').messages.fetchUncertainMessages({ ...poll, instanceId: 'good' });
    expect(found.messages.map(({ messageKey }) => messageKey)).toEqual([KEY]);
  });

  it('two tokens of a group are good at once, until the old one is taken away', async () => {
    const renewed = { ...WHO.producerA, sha256: hashToken('tpc_renewed').toString('hex') };
    writeFileSync(file(), JSON.stringify({ entries: [entryOf('producerA'), renewed] }));
    await reload();
    const fresh = callersOf(tpc.service.grpcPort, 'tpc_renewed');
    opened.push(fresh);
    await save(as('producerA'), 'PID_A');
    await save(fresh, 'PID_A');
    writeFileSync(file(), JSON.stringify({ entries: [renewed] }));
    await reload();
    expect(await refusalOf(save(as('producerA'), 'PID_A'))).toMatchObject({ status: status.UNAUTHENTICATED, reason: 'TOKEN_UNKNOWN' });
    await save(fresh, 'PID_A');
  });
});

it('does not start on 0.0.0.0 without tokens', async () => {
  const failure = await startTestTpc({ TPC_DATABASE_URL: database.url, BIND_HOST: '0.0.0.0' }).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(StartError);
  expect((failure as Error).message).toMatch(/^BIND_HOST="0.0.0.0": without tokens only a loopback address.*TPC_TOKENS_FILE$/);
});
