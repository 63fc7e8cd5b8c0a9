import { randomUUID } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import { MessageState, type OutgoingMessage } from '@tpc/gen/tpc/v1/message';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { itemRefusal, mariaDatabase, outgoing, refusalOf, sqliteDatabase, startTestTpc, type TestDatabase, type TestTpc } from './support.ts';

const P = 'PID_UAC';
const producer = { producerGroup: P, storeId: 's1' };
const DEAD = MessageState.MESSAGE_STATE_DEAD;
const MAX_BODY = 2_000;

/** What breaks each rule, where `key` is a good key of the producer's. */
const BREACHES: readonly (readonly [string, (key: string) => Partial<OutgoingMessage>])[] = [
  ['a control character in a header', () => ({ headers: { a: 'x\ty' } })],
  ['a separator of RocketMQ in a header', () => ({ headers: { a: 'x\u0001y\u0002' } })],
  ['headers that are too large', () => ({ headers: { h: 'x'.repeat(16_383) } })],
  ['headers that no column holds', () => ({ headers: { h: 'x'.repeat(70_000) } })],
  ['too many headers', () => ({ headers: Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`h${n}`, '1'])) })],
  ['a reserved header', () => ({ headers: { 'tpc-key': '1' } })],
  ['a body above the limit', () => ({ text: 'x'.repeat(MAX_BODY + 1) })],
  ['no body', () => ({ text: '' })],
  ['no topic', () => ({ topic: '' })],
  ['a topic that no column holds', () => ({ topic: 'x'.repeat(5_000) })],
  ['a tag in other characters', () => ({ tag: '标签' })],
  ['a content type that is too long', () => ({ contentType: 'x'.repeat(500) })],
  ['a key of another group', (key) => ({ messageKey: key.replace(P, 'PID_RENAMED') })],
  ['a key that is too long', (key) => ({ messageKey: `${key}${'k'.repeat(200)}` })],
  ['a key in other characters', (key) => ({ messageKey: `${key}é` })],
  ['no key', (key) => ({ messageKey: '', text: key })],
  ['a delay', () => ({ delayLevel: 3 })],
  ['an order key', () => ({ orderKey: 'k', orderSeq: 7n })],
  ['several at once', () => ({ topic: 'a b', headers: { é: '\n' }, text: undefined, data: Buffer.from([0xff, 0x00]) })],
];

describe.each([
  ['SQLite', sqliteDatabase],
  ['MariaDB', mariaDatabase],
])('a committed message that breaks the rules, on %s:', (_, makeDatabase) => {
  let database: TestDatabase;
  let tpc: TestTpc;
  beforeAll(async () => {
    database = await makeDatabase();
    tpc = await startTestTpc({ TPC_DATABASE_URL: database.url, TPC_MAX_BODY_BYTES: String(MAX_BODY) });
    const subscriptions = [{ topic: 'SEND_EMAIL_TOPIC', tags: [] }];
    await tpc.messages.registerConsumer({ consumerGroup: 'CID_OPC', storeId: 'in', instanceId: 'c1', subscriptions });
  });
  afterAll(async () => {
    await tpc.stop();
    await database.drop();
  });

  const newKey = () => `${P}:${randomUUID()}`;
  const commit = (message: OutgoingMessage) => tpc.messages.saveAndSendMessage({ ...producer, committed: true, message });
  const read = (messageKey: string) => tpc.admin.getMessage({ messageKey, includeBody: true });

  it.each(BREACHES)('%s: is kept DEAD with all that was handed over, once, and is listed', async (_name, breach) => {
    const message = outgoing({ messageKey: newKey(), traceparent: 'no trace', ...breach(newKey()) });
    const answer = await commit(message);
    expect(answer).toMatchObject({ state: DEAD, reason: 'CONTENT_INVALID', storedKey: expect.any(String) });
    expect(await commit(message)).toEqual(answer);
    const batch = await tpc.messages.batchSaveAndSendMessage({ ...producer, committed: true, messages: [message, message] });
    expect(batch.results.map(({ status: itsStatus, ...one }) => [itemRefusal(itsStatus).status, one])).toEqual([
      [0, answer],
      [0, answer],
    ]);
    const kept = await read(answer.storedKey);
    expect(kept.message).toMatchObject({
      state: DEAD,
      attention: true,
      producerGroup: P,
      reason: expect.stringMatching(/^CONTENT_INVALID: message\./),
    });
    expect(kept.timeline.map(({ kind }) => kind)).toContain('CONTENT_INVALID');
    expect(wholeOf(kept)).toEqual(plain(message));
    const listed = await tpc.admin.listMessages({ states: [DEAD], pageSize: 500 });
    expect(listed.messages.filter(({ messageKey }) => messageKey === answer.storedKey)).toHaveLength(1);
  });

  it.each(BREACHES)('%s: is refused while nothing has committed, and nothing is stored', async (_name, breach) => {
    const message = outgoing({ messageKey: newKey(), ...breach(newKey()) });
    const refused = await refusalOf(tpc.messages.saveAndSendMessage({ ...producer, message }));
    expect([status.INVALID_ARGUMENT, status.UNIMPLEMENTED]).toContain(refused.status);
    expect(await refusalOf(tpc.messages.saveMessageWaitingConfirm({ ...producer, message }))).toEqual(refused);
    expect((await tpc.admin.listMessages({ pageSize: 500 })).messages.map(({ messageKey }) => messageKey)).not.toContain(message.messageKey);
  });

  it('what was prepared when the limit was larger goes its way when it commits', async () => {
    const wide = await startTestTpc({ TPC_DATABASE_URL: database.url });
    const message = outgoing({ messageKey: newKey(), text: 'x'.repeat(MAX_BODY + 1) });
    await wide.messages.saveMessageWaitingConfirm({ ...producer, message });
    expect(await commit(message)).toMatchObject({ state: MessageState.MESSAGE_STATE_SENDING, storedKey: message.messageKey, reason: '' });
    await wide.stop();
  });

  it('takes no key from the group that owns it, and no two groups share a row', async () => {
    const owned = outgoing({ messageKey: `PID_OWNER:${randomUUID()}` });
    const kept = await commit(owned);
    expect(kept.storedKey).toMatch(new RegExp(`^${owned.messageKey}#[0-9a-f]{16}$`));
    const other = await tpc.messages.saveAndSendMessage({ producerGroup: 'PID_THIRD', committed: true, message: owned });
    expect(other.storedKey).not.toBe(kept.storedKey);
    const own = await tpc.messages.saveAndSendMessage({ producerGroup: 'PID_OWNER', committed: true, message: owned });
    expect(own).toMatchObject({ state: MessageState.MESSAGE_STATE_SENDING, storedKey: owned.messageKey });
  });

  it('is resent where its own body stands in it, and refused where it holds the message as a whole', async () => {
    const foreign = await commit(outgoing({ messageKey: `PID_OLD:${randomUUID()}` }));
    expect((await tpc.admin.resendMessage({ messageKey: foreign.storedKey })).message?.state).toBe(MessageState.MESSAGE_STATE_SENDING);
    const broken = await commit(outgoing({ messageKey: newKey(), headers: { a: '\n' } }));
    expect(await refusalOf(tpc.admin.resendMessage({ messageKey: broken.storedKey }))).toMatchObject({ reason: 'CONTENT_INVALID' });
  });

  it('a call whose trace context no column holds is taken', async () => {
    const message = outgoing({ messageKey: newKey(), traceparent: 'x'.repeat(500), tracestate: 'é'.repeat(600) });
    expect(await commit(message)).toMatchObject({ state: MessageState.MESSAGE_STATE_SENDING });
  });
});

type Kept = {
  message?: { messageKey: string; topic: string; tag: string; contentType: string; headers: object } | undefined;
  data?: Buffer | undefined;
  text?: string | undefined;
};

/** A message without its trace and with its body as bytes. */
function plain({ data, text, traceparent: _, tracestate: __, deliverTime, orderSeq, ...message }: OutgoingMessage) {
  return { ...message, deliverTime: deliverTime?.toISOString(), orderSeq: String(orderSeq), body: [...(data ?? Buffer.from(text ?? ''))] };
}

/** What was handed over, as far as an operator can read it out of the row. */
function wholeOf({ message, data, text }: Kept) {
  const body = data ?? Buffer.from(text ?? '');
  if (message?.contentType !== 'application/json; type=tpc.v1.OutgoingMessage') {
    const { messageKey = '', topic, tag, contentType, headers } = message ?? {};
    const key = messageKey.replace(/#[0-9a-f]{16}$/, '');
    return { ...rest, messageKey: key, topic, tag, contentType, headers, body: [...body] };
  }
  const whole = JSON.parse(body.toString()) as Record<string, unknown>;
  const { data: base64, text: words, ...fields } = whole as { data?: string; text?: string };
  return { ...rest, ...fields, body: [...(base64 === undefined ? Buffer.from(words ?? '') : Buffer.from(base64, 'base64'))] };
}

const rest = { delayLevel: 0, deliverTime: undefined, orderKey: '', orderSeq: '0', callTraceparent: undefined };
