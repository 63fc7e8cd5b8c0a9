import { randomUUID } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import { MessageState } from '@tpc/gen/tpc/v1/message';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { type MariaDb, startMariaDb } from '../../../test/support/mariadb.ts';
import { itemRefusal, outgoing, type Refused, refusalOf, startTestTpc, type TestTpc } from './support.ts';

const producer = { producerGroup: 'PID_PK', storeId: 's1' };
const SENDING = MessageState.MESSAGE_STATE_SENDING;
const LARGE = Buffer.alloc(600 * 1024, 1);
/** Each fits a packet, many together do not. */
const MIDDLING = Buffer.alloc(200 * 1024, 0xff);

let mariadb: MariaDb;
let tpc: TestTpc;
beforeAll(async () => {
  mariadb = await startMariaDb(undefined, ['--max-allowed-packet=1048576']);
  tpc = await startTestTpc({ TPC_DATABASE_URL: `${mariadb.url}/test` });
  await tpc.messages.registerConsumer({ consumerGroup: 'CID_PK', instanceId: 'c1', subscriptions: [{ topic: 'SEND_EMAIL_TOPIC', tags: [] }] });
  await vi.waitUntil(async () => (await toldLimit()) < 1024 * 1024, { timeout: 20_000 });
});
afterAll(async () => {
  await tpc?.stop();
  await mariadb?.stop();
});

const toldLimit = async () => (await tpc.messages.registerProducer({ ...producer, instanceId: 'p1' })).limits?.maxBodyBytes ?? 0;
const message = (data: Buffer) => outgoing({ messageKey: randomUUID(), data, text: undefined });

it('a message that does not fit a packet of the database is refused for that reason, and those beside it are taken', async () => {
  const small = Array.from({ length: 10 }, () =>
    tpc.messages.saveMessageWaitingConfirm({ ...producer, message: outgoing({ messageKey: randomUUID() }) }),
  );
  const refused = await refusalOf(tpc.messages.saveMessageWaitingConfirm({ ...producer, message: message(LARGE) }));
  expect(refused).toMatchObject({ status: status.INVALID_ARGUMENT, fields: ['message.body'] } satisfies Partial<Refused>);
  expect((await Promise.all(small)).map(({ state }) => state)).toEqual(small.map(() => MessageState.MESSAGE_STATE_WAITING_CONFIRM));
});

it('a committed one that no packet holds is refused alone, for good and by name', async () => {
  const messages = [outgoing({ messageKey: randomUUID() }), message(LARGE), outgoing({ messageKey: randomUUID() })];
  const { results } = await tpc.messages.batchSaveAndSendMessage({ ...producer, committed: true, messages });
  expect(results.map(({ status: of }) => itemRefusal(of).reason)).toEqual(['', 'TOO_LARGE_FOR_DATABASE', '']);
  expect(results.map(({ state }) => state)).toEqual([SENDING, MessageState.MESSAGE_STATE_UNSPECIFIED, SENDING]);
  expect(itemRefusal(results[1]?.status)).toMatchObject({ status: status.FAILED_PRECONDITION, retry: false });
});

it('messages that fit alone are taken, also when they come together', async () => {
  const all = Array.from({ length: 12 }, () => tpc.messages.saveAndSendMessage({ ...producer, committed: true, message: message(MIDDLING) }));
  expect((await Promise.all(all)).map(({ state }) => state)).toEqual(all.map(() => SENDING));
});

it('the limit that is told at registration is what the database takes', async () => {
  const most = await toldLimit();
  expect(most).toBeGreaterThan(400 * 1024);
  expect(await tpc.messages.saveAndSendMessage({ ...producer, message: message(Buffer.alloc(most, 0xff)) })).toMatchObject({ state: SENDING });
  await refusalOf(tpc.messages.saveAndSendMessage({ ...producer, message: message(Buffer.alloc(most + 1, 0xff)) }));
});
