import { MessageState } from '../../domain/states.ts';
import type { Claim, MessageContent, PublishItem, SaveItem } from '../store-types.ts';
import type { TestStore } from './stores.ts';

export const PRODUCER = 'PID_UAC';
export const STORE_ID = 'outbox-1';
export const TOPIC = 'SEND_EMAIL_TOPIC';
export const TAG = 'ACTIVE_USER';
export const GROUP = 'CID_OPC';

let tokens = 1000;

/** A claim with a token that no other has. */
export function newClaim(leaseMs = 30_000): Claim {
  tokens += 1;
  return { token: tokens, leaseMs };
}

export function contentOf(changed: Partial<MessageContent> = {}): MessageContent {
  return {
    topic: TOPIC,
    tag: TAG,
    body: Buffer.from('body'),
    contentType: 'text/plain',
    headers: { lang: 'zh' },
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    tracestate: 'a=b',
    ...changed,
  };
}

export function itemOf(messageKey: string, changed: Partial<MessageContent> & { producerGroup?: string; storeId?: string } = {}): SaveItem {
  const { producerGroup = PRODUCER, storeId = STORE_ID, ...content } = changed;
  return { producerGroup, storeId, messageKey, content: contentOf(content) };
}

/** Subscribes a group by registering an instance of it. */
export async function subscribe(test: TestStore, group = GROUP, topic = TOPIC, tags: readonly string[] = [TAG]): Promise<void> {
  await test.store.registerConsumer({
    consumerGroup: group,
    storeId: `inbox-${group}`,
    instanceId: `${group}-1`,
    subscriptions: [{ topic, tags }],
    host: 'host',
    idle: false,
  });
}

/** Prepares messages. @throws when one was refused */
export async function prepare(test: TestStore, ...keys: string[]): Promise<void> {
  const results = await test.store.saveMessages(keys.map((key) => itemOf(key)));
  const refused = results.find((result) => 'refused' in result);
  if (refused !== undefined) throw new Error(`not prepared: ${JSON.stringify(refused)}`);
}

/** Prepares and confirms messages, and answers with what is claimed to be published. */
export async function startSending(test: TestStore, claim: Claim, ...keys: string[]): Promise<PublishItem[]> {
  await prepare(test, ...keys);
  return (
    await test.store.confirmMessages(
      keys.map((messageKey) => ({ producerGroup: PRODUCER, messageKey })),
      claim,
    )
  ).publish;
}

/** The whole way until the broker has taken them. */
export async function publish(test: TestStore, ...keys: string[]): Promise<PublishItem[]> {
  const claim = newClaim();
  const items = await startSending(test, claim, ...keys);
  await test.store.recordPublishResults(
    claim.token,
    items.map(({ messageId }) => ({ messageId, outcome: 'published' as const, attempts: 0 })),
  );
  return items;
}

export const received = (messageKey: string, consumerGroup = GROUP, generation = 1) =>
  ({ kind: 'received', messageKey, consumerGroup, generation }) as const;
export const consumed = (messageKey: string, consumerGroup = GROUP, generation = 1) =>
  ({ kind: 'consumed', messageKey, consumerGroup, generation }) as const;
export const failed = (messageKey: string, consumerGroup = GROUP, generation = 1) =>
  ({ kind: 'failed', messageKey, consumerGroup, generation, reason: 'POISON', detail: 'in words' }) as const;

export type Row = {
  id: number;
  state: MessageState;
  cancel_kind: number;
  open_groups: number;
  dead_groups: number;
  lane: number | null;
  due_at: number | null;
  claim: number | null;
  publishes: number;
  attempts: number;
  checks: number;
  attention: number | null;
  reason: string | null;
  generation: number;
};

/** The stored row of a message, with the counts checked against its groups' copies. */
export async function rowOf(test: TestStore, messageKey: string): Promise<Row> {
  const [row] = await test.sql<Row>('SELECT * FROM message WHERE message_key = ?', messageKey);
  if (row === undefined) throw new Error(`no message ${messageKey}`);
  const copies = await copiesOf(test, messageKey);
  const open = copies.filter((copy) => copy.status < 30 && copy.dead === 0).length;
  const dead = copies.filter((copy) => copy.dead === 1).length;
  if (row.open_groups !== open || row.dead_groups !== dead)
    throw new Error(`${messageKey}: counts ${row.open_groups}/${row.dead_groups}, copies ${open}/${dead}`);
  if (row.state === MessageState.DEAD && row.attention === null) throw new Error(`${messageKey}: DEAD without attention`);
  const inLane = row.state === MessageState.WAITING_CONFIRM || row.state === MessageState.SENDING;
  if (inLane && row.lane === null) throw new Error(`${messageKey}: open without a lane`);
  return row;
}

export type Copy = {
  group_id: number;
  name: string;
  status: number;
  dead: number;
  generation: number;
  consume_count: number;
  attempts: number;
  due_at: number | null;
  claim: number | null;
  urgent: number;
  overdue: number;
  reason: string | null;
};

/** The groups' copies of a message by the name of the group. */
export function copiesOf(test: TestStore, messageKey: string): Promise<Copy[]> {
  return test.sql<Copy>(
    `SELECT c.*, g.name FROM confirm c JOIN consumer_group g ON g.id = c.group_id JOIN message m ON m.id = c.message_id
     WHERE m.message_key = ? ORDER BY g.name`,
    messageKey,
  );
}

/** Lets all waits and leases of messages and copies run out. */
export async function letTimePass(test: TestStore): Promise<void> {
  await test.sql('UPDATE message SET due_at = 1 WHERE due_at IS NOT NULL');
  await test.sql('UPDATE confirm SET due_at = 1 WHERE due_at IS NOT NULL');
}

/** Milliseconds from now until something is due. */
export async function dueInMs(test: TestStore, messageKey: string): Promise<number | null> {
  const [row] = await test.sql<{ wait: number | null }>(`SELECT due_at - ${test.ctx.sql.now} AS wait FROM message WHERE message_key = ?`, messageKey);
  return row?.wait ?? null;
}

/** Kinds of a message's event rows. */
export async function eventsOf(test: TestStore, messageKey: string): Promise<string[]> {
  const rows = await test.sql<{ kind: string }>(
    'SELECT e.kind FROM message_event e JOIN message m ON m.id = e.message_id WHERE m.message_key = ? ORDER BY e.id',
    messageKey,
  );
  return rows.map((row) => row.kind);
}
