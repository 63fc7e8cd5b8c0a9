// biome-ignore-all lint/style/noExcessiveLinesPerFile: one table of bad requests, each call of the contract in turn
import { type MethodDefinition, status } from '@grpc/grpc-js';
import { MessageAdminServiceService } from '@tpc/gen/tpc/v1/message_admin_service';
import { ReliableMessageServiceService } from '@tpc/gen/tpc/v1/reliable_message_service';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { itemRefusal, outgoing, type Refused, rawCall, refusalOf, sqliteDatabase, startTestTpc, type TestDatabase, type TestTpc } from './support.ts';

const UUID = '019ab0d4-7a3e-7cc2-8f5e-000000000001';
const P = 'PID_UAC';
const C = 'CID_OPC';
const LONG = 'x'.repeat(65);
const LONG_KEY = `${P}:${'k'.repeat(128)}`;
const BIG = Buffer.alloc(1024 * 1024 + 1, 1);
const INVALID = status.INVALID_ARGUMENT;
const minutes = (count: number) => ({ seconds: BigInt(count * 60), nanos: 0 });
const items = <T>(count: number, item: T): T[] => Array.from({ length: count }, () => item);

/** A request that is refused as a whole: kind of fault, method, request, reason, field. */
type Row = [kind: 'missing' | 'oversized' | 'wrong', method: string, request: object, reason: string, field: string];

const message = (partial: object) => outgoing({ messageKey: UUID, ...partial });
const producer = { producerGroup: P };

/** Faults of one message; the calls that take one share them. */
const messageRows = (method: string): Row[] => [
  ['missing', method, { ...producer }, 'TPC10050007', 'message'],
  ['missing', method, { message: message({}) }, 'TPC100500015', 'producer_group'],
  ['missing', method, { ...producer, message: message({ messageKey: '' }) }, 'TPC10050009', 'message.message_key'],
  ['missing', method, { ...producer, message: message({ topic: '' }) }, 'TPC10050001', 'message.topic'],
  ['missing', method, { ...producer, message: message({ text: undefined }) }, 'TPC10050008', 'message.body'],
  ['missing', method, { ...producer, message: message({ text: '' }) }, 'TPC10050008', 'message.body'],
  ['oversized', method, { producerGroup: LONG, message: message({}) }, 'FIELD_INVALID', 'producer_group'],
  ['oversized', method, { ...producer, storeId: LONG, message: message({}) }, 'FIELD_INVALID', 'store_id'],
  ['oversized', method, { ...producer, message: message({ messageKey: LONG_KEY }) }, 'FIELD_INVALID', 'message.message_key'],
  ['oversized', method, { ...producer, message: message({ topic: LONG }) }, 'FIELD_INVALID', 'message.topic'],
  ['oversized', method, { ...producer, message: message({ tag: LONG }) }, 'FIELD_INVALID', 'message.tag'],
  ['oversized', method, { ...producer, message: message({ text: undefined, data: BIG }) }, 'FIELD_INVALID', 'message.body'],
  ['oversized', method, { ...producer, message: message({ contentType: 'x'.repeat(129) }) }, 'FIELD_INVALID', 'message.content_type'],
  ['oversized', method, { ...producer, message: message({ headers: { a: 'v'.repeat(17_000) } }) }, 'FIELD_INVALID', 'message.headers'],
  ['wrong', method, { producerGroup: 'a group', message: message({}) }, 'FIELD_INVALID', 'producer_group'],
  ['wrong', method, { ...producer, storeId: 'ü', message: message({}) }, 'FIELD_INVALID', 'store_id'],
  ['wrong', method, { ...producer, message: message({ messageKey: 'PID_OTHER:1' }) }, 'FIELD_INVALID', 'message.message_key'],
  ['wrong', method, { ...producer, message: message({ messageKey: UUID.toUpperCase() }) }, 'FIELD_INVALID', 'message.message_key'],
  ['wrong', method, { ...producer, message: message({ topic: 'a%b' }) }, 'FIELD_INVALID', 'message.topic'],
  ['wrong', method, { ...producer, message: message({ tag: 'A||B' }) }, 'FIELD_INVALID', 'message.tag'],
  ['wrong', method, { ...producer, message: message({ headers: { 'tpc-key': '1' } }) }, 'FIELD_INVALID', 'message.headers["tpc-key"]'],
  ['wrong', method, { ...producer, message: message({ delayLevel: 19 }) }, 'TPC100500013', 'message.delay_level'],
  ['wrong', method, { ...producer, message: message({ orderSeq: -1n }) }, 'FIELD_INVALID', 'message.order_seq'],
];

const keyRows = (method: string): Row[] => [
  ['missing', method, { messageKey: UUID }, 'TPC100500015', 'producer_group'],
  ['missing', method, producer, 'TPC10050009', 'message_key'],
  ['oversized', method, { producerGroup: LONG, messageKey: UUID }, 'FIELD_INVALID', 'producer_group'],
  ['oversized', method, { ...producer, messageKey: LONG_KEY }, 'FIELD_INVALID', 'message_key'],
  ['wrong', method, { producerGroup: '.', messageKey: UUID }, 'FIELD_INVALID', 'producer_group'],
  ['wrong', method, { ...producer, messageKey: 'a key' }, 'FIELD_INVALID', 'message_key'],
];

const reportRows = (method: string, more: object = {}): Row[] => [
  ['missing', method, { messageKey: UUID, ...more }, 'TPC10050005', 'consumer_group'],
  ['missing', method, { consumerGroup: C, ...more }, 'TPC10050009', 'message_key'],
  ['oversized', method, { consumerGroup: LONG, messageKey: UUID, ...more }, 'FIELD_INVALID', 'consumer_group'],
  ['oversized', method, { consumerGroup: C, messageKey: LONG_KEY, ...more }, 'FIELD_INVALID', 'message_key'],
  ['wrong', method, { consumerGroup: 'a b', messageKey: UUID, ...more }, 'FIELD_INVALID', 'consumer_group'],
  ['wrong', method, { consumerGroup: C, messageKey: '%', ...more }, 'FIELD_INVALID', 'message_key'],
  ['wrong', method, { consumerGroup: C, messageKey: UUID, generation: -1, ...more }, 'FIELD_INVALID', 'generation'],
];

const batchRows = (method: string, owner: 'producer' | 'consumer', field: string, wire: string, item: object | string, max: number): Row[] => {
  const name = owner === 'producer' ? 'producerGroup' : 'consumerGroup';
  const wireName = owner === 'producer' ? 'producer_group' : 'consumer_group';
  const good = { [name]: P };
  return [
    ['missing', method, { [field]: [item] }, owner === 'producer' ? 'TPC100500015' : 'TPC10050005', wireName],
    ['missing', method, good, 'BATCH_SIZE', wire],
    ['oversized', method, { ...good, [field]: items(max + 1, item) }, 'BATCH_SIZE', wire],
    ['oversized', method, { [name]: LONG, [field]: [item] }, 'FIELD_INVALID', wireName],
    ['wrong', method, { [name]: 'a b', [field]: [item] }, 'FIELD_INVALID', wireName],
  ];
};

const delivery = { messageKey: UUID, generation: 1 };
const registerProducer = { ...producer, instanceId: 'i1' };
const registerConsumer = { consumerGroup: C, instanceId: 'i1', subscriptions: [{ topic: 'T', tags: [] }] };

const groupRows: Row[] = [
  ['wrong', 'listConsumerGroups', { pageSize: -1 }, 'FIELD_INVALID', 'page_size'],
  ['missing', 'removeConsumerGroup', {}, 'TPC10050005', 'consumer_group'],
  ['oversized', 'removeConsumerGroup', { consumerGroup: LONG }, 'FIELD_INVALID', 'consumer_group'],
  ['oversized', 'removeConsumerGroup', { consumerGroup: C, comment: 'x'.repeat(257) }, 'FIELD_INVALID', 'comment'],
  ['wrong', 'removeConsumerGroup', { consumerGroup: 'a b' }, 'FIELD_INVALID', 'consumer_group'],
  ['wrong', 'removeConsumerGroup', { consumerGroup: C, requestId: 'x' }, 'FIELD_INVALID', 'request_id'],
];

const ROWS: Row[] = [
  ...groupRows,
  ...messageRows('saveMessageWaitingConfirm'),
  ...messageRows('saveAndSendMessage'),
  ...batchRows('batchSaveMessageWaitingConfirm', 'producer', 'messages', 'messages', message({ text: 'x' }), 512),
  [
    'oversized',
    'batchSaveMessageWaitingConfirm',
    { ...producer, messages: items(3, message({ data: BIG, text: undefined })) },
    'FIELD_INVALID',
    'messages',
  ],
  ...batchRows('batchSaveAndSendMessage', 'producer', 'messages', 'messages', message({ text: 'x' }), 512),
  ['oversized', 'batchSaveAndSendMessage', { ...producer, messages: items(3, message({ data: BIG, text: undefined })) }, 'FIELD_INVALID', 'messages'],
  ...keyRows('confirmAndSendMessage'),
  ...batchRows('batchConfirmAndSendMessage', 'producer', 'messageKeys', 'message_keys', UUID, 512),
  ...keyRows('deleteMessageByMessageKey'),
  ...reportRows('confirmReceiveMessage'),
  ...batchRows('batchConfirmReceiveMessage', 'consumer', 'deliveries', 'deliveries', delivery, 1_024),
  ...reportRows('confirmConsumedMessage'),
  ...batchRows('batchConfirmConsumedMessage', 'consumer', 'deliveries', 'deliveries', delivery, 1_024),
  ...reportRows('reportConsumeFailure', { reason: 'POISON' }),
  ['missing', 'reportConsumeFailure', { consumerGroup: C, messageKey: UUID }, 'TPC10050005', 'reason'],
  ['oversized', 'reportConsumeFailure', { consumerGroup: C, messageKey: UUID, reason: 'X'.repeat(65) }, 'FIELD_INVALID', 'reason'],
  ['wrong', 'reportConsumeFailure', { consumerGroup: C, messageKey: UUID, reason: 'in words' }, 'FIELD_INVALID', 'reason'],
  ...batchRows('batchReportConsumeFailure', 'consumer', 'failures', 'failures', { delivery, reason: 'POISON', detail: '' }, 1_024),
  ['missing', 'fetchUncertainMessages', { instanceId: 'i1' }, 'TPC100500015', 'producer_group'],
  ['missing', 'fetchUncertainMessages', producer, 'TPC10050005', 'instance_id'],
  ['oversized', 'fetchUncertainMessages', { ...registerProducer, maxCount: 513 }, 'FIELD_INVALID', 'max_count'],
  ['oversized', 'fetchUncertainMessages', { ...registerProducer, wait: minutes(2) }, 'FIELD_INVALID', 'wait'],
  ['oversized', 'fetchUncertainMessages', { ...producer, instanceId: LONG }, 'FIELD_INVALID', 'instance_id'],
  ['wrong', 'fetchUncertainMessages', { ...registerProducer, maxCount: -1 }, 'FIELD_INVALID', 'max_count'],
  ['wrong', 'fetchUncertainMessages', { ...registerProducer, wait: minutes(-1) }, 'FIELD_INVALID', 'wait'],
  ['wrong', 'fetchUncertainMessages', { ...registerProducer, storeId: 'a b' }, 'FIELD_INVALID', 'store_id'],
  ...batchRows('reportOutcomes', 'producer', 'outcomes', 'outcomes', { messageKey: UUID, verdict: 1 }, 512),
  ['missing', 'registerProducer', { instanceId: 'i1' }, 'TPC100500015', 'producer_group'],
  ['missing', 'registerProducer', producer, 'TPC10050005', 'instance_id'],
  ['oversized', 'registerProducer', { ...registerProducer, topics: items(65, 'T') }, 'FIELD_INVALID', 'topics'],
  ['oversized', 'registerProducer', { ...registerProducer, host: 'h'.repeat(129) }, 'FIELD_INVALID', 'host'],
  ['wrong', 'registerProducer', { ...registerProducer, topics: ['T', ''] }, 'TPC10050001', 'topics[1]'],
  ['wrong', 'registerProducer', { ...registerProducer, outboxRetention: minutes(-5) }, 'FIELD_INVALID', 'outbox_retention'],
  ['missing', 'registerConsumer', { ...registerConsumer, consumerGroup: '' }, 'TPC10050005', 'consumer_group'],
  ['missing', 'registerConsumer', { ...registerConsumer, instanceId: '' }, 'TPC10050005', 'instance_id'],
  ['missing', 'registerConsumer', { ...registerConsumer, subscriptions: [] }, 'BATCH_SIZE', 'subscriptions'],
  ['oversized', 'registerConsumer', { ...registerConsumer, subscriptions: items(65, { topic: 'T', tags: [] }) }, 'BATCH_SIZE', 'subscriptions'],
  [
    'oversized',
    'registerConsumer',
    { ...registerConsumer, subscriptions: [{ topic: 'T', tags: items(65, 'a') }] },
    'FIELD_INVALID',
    'subscriptions[0].tags',
  ],
  ['wrong', 'registerConsumer', { ...registerConsumer, subscriptions: [{ topic: '', tags: [] }] }, 'TPC10050001', 'subscriptions[0].topic'],
  ['wrong', 'registerConsumer', { ...registerConsumer, subscriptions: [{ topic: 'T', tags: [''] }] }, 'TPC10050005', 'subscriptions[0].tags[0]'],
  ['missing', 'getMessage', {}, 'TPC10050009', 'message_key'],
  ['oversized', 'getMessage', { messageKey: LONG_KEY }, 'FIELD_INVALID', 'message_key'],
  ['wrong', 'getMessage', { messageKey: 'a key' }, 'FIELD_INVALID', 'message_key'],
  ['missing', 'resendMessage', {}, 'TPC10050009', 'message_key'],
  ['oversized', 'resendMessage', { messageKey: UUID, consumerGroups: items(65, C) }, 'FIELD_INVALID', 'consumer_groups'],
  ['oversized', 'resendMessage', { messageKey: UUID, comment: 'c'.repeat(257) }, 'FIELD_INVALID', 'comment'],
  ['wrong', 'resendMessage', { messageKey: UUID, requestId: 'not a uuid' }, 'FIELD_INVALID', 'request_id'],
  ['wrong', 'resendMessage', { messageKey: UUID, consumerGroups: [''] }, 'TPC10050005', 'consumer_groups[0]'],
  ['oversized', 'listMessages', { producerGroup: LONG }, 'FIELD_INVALID', 'producer_group'],
  ['wrong', 'listMessages', { pageSize: -1 }, 'FIELD_INVALID', 'page_size'],
  ['wrong', 'listMessages', { pageToken: 'bm90IG91cnMgYXQgYWxsLCBuZXZlciB3YXMgb3Vycw' }, 'PAGE_TOKEN_INVALID', 'page_token'],
  ['wrong', 'listMessages', { states: [7] }, 'FIELD_INVALID', 'states[0]'],
];

/** Batches whose second item is bad: kind of fault, method, request, reason, field. */
const ITEM_ROWS: Row[] = [
  ['missing', 'batchSaveMessageWaitingConfirm', { ...producer, messages: [message({}), message({ topic: '' })] }, 'TPC10050001', 'messages[1].topic'],
  ['wrong', 'batchSaveAndSendMessage', { ...producer, messages: [message({}), message({ tag: '!' })] }, 'FIELD_INVALID', 'messages[1].tag'],
  ['missing', 'batchConfirmAndSendMessage', { ...producer, messageKeys: [UUID, ''] }, 'TPC10050009', 'message_keys[1]'],
  [
    'wrong',
    'batchConfirmReceiveMessage',
    { consumerGroup: C, deliveries: [delivery, { ...delivery, generation: -2 }] },
    'FIELD_INVALID',
    'deliveries[1].generation',
  ],
  [
    'missing',
    'batchConfirmConsumedMessage',
    { consumerGroup: C, deliveries: [delivery, { ...delivery, messageKey: '' }] },
    'TPC10050009',
    'deliveries[1].message_key',
  ],
  [
    'missing',
    'batchReportConsumeFailure',
    {
      consumerGroup: C,
      failures: [
        { delivery, reason: 'A', detail: '' },
        { reason: 'A', detail: '' },
      ],
    },
    'TPC10050009',
    'failures[1].delivery.message_key',
  ],
  [
    'oversized',
    'reportOutcomes',
    {
      ...producer,
      outcomes: [
        { messageKey: UUID, verdict: 1 },
        { messageKey: LONG_KEY, verdict: 1 },
      ],
    },
    'FIELD_INVALID',
    'outcomes[1].message_key',
  ],
];

const METHODS = { ...ReliableMessageServiceService, ...MessageAdminServiceService } as unknown as Record<string, MethodDefinition<object, object>>;

describe('bad input over gRPC', () => {
  let database: TestDatabase;
  let tpc: TestTpc;
  beforeAll(async () => {
    database = await sqliteDatabase();
    tpc = await startTestTpc({ TPC_DATABASE_URL: database.url });
  });
  afterAll(async () => {
    await tpc.stop();
    await database.drop();
  });
  const calls = () =>
    ({ ...tpc.messages, ...tpc.admin }) as unknown as Record<string, (request: object) => Promise<{ results: { status?: never }[] }>>;

  it.each(ROWS.map((row) => [`${row[1]} with ${row[0]} ${row[4]}`, row] as const))('%s is refused', async (_, [, method, request, reason, field]) => {
    const refused = await refusalOf(calls()[method]!(request));
    expect(refused).toMatchObject({ status: INVALID, reason } satisfies Partial<Refused>);
    expect(refused.fields).toContain(field);
  });

  it('goes on when the name of a header is cut within a character to be told', async () => {
    const headers = { [`${'a'.repeat(63)}😀`]: 'v' };
    const refused = await refusalOf(calls().saveMessageWaitingConfirm!({ ...producer, message: message({ headers }) }));
    expect(refused).toMatchObject({ status: INVALID, reason: 'FIELD_INVALID' });
  });

  it('says in words what is wrong, and where, to those who see the message alone', async () => {
    await expect(tpc.messages.registerProducer({ ...registerProducer, host: 'h'.repeat(129) })).rejects.toThrow(
      'A field is not valid: host. The host has 129 characters; at most 128 are allowed.',
    );
    await expect(tpc.admin.getMessage({ messageKey: UUID })).rejects.toThrow(`There is no message ${UUID}.`);
  });

  it.each([
    [
      'registerConsumer',
      { consumerGroup: 'CID UX', subscriptions: [] },
      'A required argument is empty: instance_id. consumer_group: The consumer group may hold only characters of [A-Za-z0-9_-]. subscriptions: At least one is needed.',
      ['consumer_group', 'instance_id', 'subscriptions'],
    ],
    ['registerConsumer', { ...registerConsumer, subscriptions: [] }, 'The list subscriptions has 0 items; it must have 1 to 64.', ['subscriptions']],
    [
      'reportConsumeFailure',
      {},
      'The message key is empty. consumer_group: The consumer group is required. reason: The reason is required.',
      ['consumer_group', 'message_key', 'reason'],
    ],
    ['fetchUncertainMessages', {}, 'The producer group is empty. instance_id: The instance id is required.', ['producer_group', 'instance_id']],
    [
      'batchReportConsumeFailure',
      {},
      'A required argument is empty: consumer_group. failures: At least one is needed.',
      ['consumer_group', 'failures'],
    ],
    ['saveMessageWaitingConfirm', {}, 'The message is empty. producer_group: The producer group is required.', ['producer_group', 'message']],
    [
      'saveAndSendMessage',
      { storeId: 'a b', message: message({ topic: '', tag: '!' }) },
      'The topic is empty. producer_group: The producer group is required. store_id: The store id may hold only characters of [A-Za-z0-9_-]. message.tag: The tag may hold only characters of [A-Za-z0-9_-].',
      ['producer_group', 'store_id', 'message.topic', 'message.tag'],
    ],
  ])('%s tells all that is wrong at once, each in its own words', async (method, request, words, fields) => {
    const refusal = calls()[method]!(request).catch((error: unknown) => error);
    expect((await refusal) as Error).toMatchObject({ details: words });
    expect((await refusalOf(calls()[method]!(request))).fields).toEqual(fields);
  });

  it.each(ITEM_ROWS.map((row) => [`${row[1]} with ${row[0]} ${row[4]}`, row] as const))(
    '%s refuses that item alone',
    async (_, [, method, request, reason, field]) => {
      const { results } = await calls()[method]!(request);
      expect(results).toHaveLength(2);
      const refused = itemRefusal(results[1]?.status);
      expect(refused).toMatchObject({ status: INVALID, reason });
      expect(refused.fields).toEqual([field]);
      expect(itemRefusal(results[0]?.status).reason).not.toBe(reason);
    },
  );

  it.each(['delayLevel', 'deliverTime', 'orderKey', 'orderSeq'])('says that %s is not served yet', async (field) => {
    const value = { delayLevel: 3, deliverTime: new Date(), orderKey: 'k', orderSeq: 1n }[field];
    for (const method of ['saveMessageWaitingConfirm', 'saveAndSendMessage']) {
      const refused = await refusalOf(calls()[method]!({ ...producer, message: message({ [field]: value }) }));
      expect(refused).toMatchObject({ status: status.UNIMPLEMENTED, reason: 'NOT_SERVED' });
    }
  });

  it('says that sending without storing is not served yet, whatever the request holds', async () => {
    for (const request of [{}, { ...producer, message: message({}) }, { producerGroup: LONG }]) {
      expect(await refusalOf(tpc.messages.directSendMessage(request))).toMatchObject({ status: status.UNIMPLEMENTED, reason: 'NOT_SERVED' });
    }
  });

  it.each(Object.keys(METHODS))('%s answers bytes that are no message of its type by a typed error', async (method) => {
    // Field 1, length-delimited, announces more bytes than follow.
    const refused = await refusalOf(rawCall(tpc.client, METHODS[method]!, Buffer.from([0x0a, 0x7f, 0x61])));
    expect(refused).toMatchObject({ status: INVALID, reason: 'MALFORMED_REQUEST' });
  });

  it.each(Object.keys(METHODS))('%s answers more than 4 MiB by a typed error', async (method) => {
    const refused = await refusalOf(rawCall(tpc.client, METHODS[method]!, Buffer.alloc(4 * 1024 * 1024 + 1)));
    expect(refused).toMatchObject({ status: INVALID, reason: 'REQUEST_TOO_LARGE' });
  });

  it.each(Object.keys(MessageAdminServiceService))('%s, whose requests are short, answers more than 256 KiB by a typed error', async (method) => {
    const refused = await refusalOf(rawCall(tpc.client, METHODS[method]!, Buffer.alloc(256 * 1024 + 1)));
    expect(refused).toMatchObject({ status: INVALID, reason: 'REQUEST_TOO_LARGE' });
  });

  it('covers every method with missing, oversized and wrong input', () => {
    const covered = new Set([...ROWS, ...ITEM_ROWS].map(([kind, method]) => `${method} ${kind}`));
    // A list needs nothing, and direct sending is refused whatever it is given.
    const lists = ['listMessages missing', 'listConsumerGroups missing', 'listConsumerGroups oversized'];
    const exempt = new Set([...lists, ...['missing', 'oversized', 'wrong'].map((kind) => `directSendMessage ${kind}`)]);
    const lacking = Object.keys(METHODS).flatMap((method) => ['missing', 'oversized', 'wrong'].map((kind) => `${method} ${kind}`));
    expect(lacking.filter((each) => !covered.has(each) && !exempt.has(each))).toEqual([]);
  });
});
