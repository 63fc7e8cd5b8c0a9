import { encodeHeaders, run, type SqlValue, valueRows, waitBeforeRetry } from '@tpc/core';
import { contentHash } from '../../domain/content-hash.ts';
import { INVALID_TOPIC } from '../../domain/invalid-content.ts';
import type { Refusal } from '../../domain/reasons.ts';
import { MessageState } from '../../domain/states.ts';
import type { Db, StoreContext } from '../base/context.ts';
import { LaneKind, laneOf } from '../base/lanes.ts';
import type { Owner } from '../base/names.ts';
import { beyondQuota } from '../quotas/beyond-quota.ts';
import { QuotaReached } from '../quotas/quotas.ts';
import type { SaveAndSendItem, SaveItem } from '../store-types.ts';

/** A message with all names as ids, ready to be stored. */
export type NewMessage = {
  messageKey: string;
  item: SaveItem & Pick<SaveAndSendItem, 'invalid'>;
  hash: Buffer;
  owner: Owner;
  topicId: number;
  /** Why it is stored DEAD at once; undefined for what is prepared. */
  dead?: { reason: 'KEY_CONFLICT' | 'CONTENT_INVALID'; detail: string };
};

/**
 * Looks up, and makes where needed, the ids of all names. Must run outside a transaction (names.ts).
 * @returns for each item the message, or why its names cannot be made; what has committed is never refused (beyondQuota)
 */
export async function prepareMessages(
  ctx: StoreContext,
  items: readonly (SaveItem & Partial<Pick<SaveAndSendItem, 'invalid' | 'committed'>>)[],
): Promise<(NewMessage | Refusal)[]> {
  const prepared: (NewMessage | Refusal)[] = [];
  for (const item of items) {
    const names = await withinQuotas(() => prepareOne(ctx, item));
    if (!(names instanceof QuotaReached)) prepared.push(names);
    else if (item.committed) prepared.push(await prepareBeyond(ctx, item, names));
    else prepared.push({ ...names.refusal, metadata: { ...names.refusal.metadata, message_key: item.messageKey } });
  }
  return prepared;
}

async function prepareOne(ctx: StoreContext, item: SaveItem & Pick<SaveAndSendItem, 'invalid'>): Promise<NewMessage> {
  const { producerGroup, storeId, content } = item;
  const owner = await ctx.names.owner(producerGroup, storeId);
  const maker = { kind: 'producer', groupId: owner.producerGroupId, group: producerGroup } as const;
  // TPC's own topic is nobody's.
  const topicId = await ctx.names.topic(content.topic, content.topic === INVALID_TOPIC ? undefined : maker);
  // The tag's row is needed when the message is parked for want of a subscriber, inside a transaction.
  await ctx.names.tag(topicId, content.tag, content.tag === '' ? undefined : maker);
  return { messageKey: item.messageKey, item, hash: item.invalid?.hash ?? contentHash(content), owner, topicId };
}

/** A message that has committed: beyond the quota of stores it is one of no store in particular; beyond that of topics and tags it is kept DEAD. */
async function prepareBeyond(ctx: StoreContext, item: SaveItem, reached: QuotaReached): Promise<NewMessage> {
  const kept = reached.what === 'stores' ? { ...item, storeId: '' } : beyondQuota(item, reached);
  const names = await withinQuotas(() => prepareOne(ctx, kept));
  return names instanceof QuotaReached ? prepareBeyond(ctx, kept, names) : names;
}

async function withinQuotas<T>(work: () => Promise<T>): Promise<T | QuotaReached> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof QuotaReached) return error;
    throw error;
  }
}

/**
 * Inserts messages by one statement, in the order of their keys: WAITING_CONFIRM, due for a check after the first wait; or DEAD, each for its reason.
 * A plain INSERT: a duplicate ends it as a whole, with nothing stored.
 * @throws the database's duplicate error when one of the keys is there
 */
export async function insertMessages(db: Db, ctx: StoreContext, messages: readonly NewMessage[], as: 'prepared' | 'dead'): Promise<void> {
  const sorted = [...messages].sort((a, b) => (a.messageKey < b.messageKey ? -1 : 1));
  const values = sorted.flatMap((message) => [...contentValues(message), ...placeValues(ctx, message, as)]);
  const finished = as === 'dead' ? ctx.sql.now : 'NULL';
  const template = `(${'?, '.repeat(13)}?, ?, ${ctx.sql.now}, ${as === 'prepared' ? `${ctx.sql.now} + ?` : '?'}, ?, ?, ?, ${finished})`;
  const { insertId } = await run(
    db,
    `INSERT INTO message (message_key, producer_group_id, store_id, owner_id, topic_id, tag, content_hash, body, body_size, content_type, headers,
       traceparent, tracestate, state, lane, created_at, due_at, attention, reason, reason_detail, finished_at)
     VALUES ${valueRows(template, sorted.length)}`,
    values,
  );
  // One statement's rows are numbered one after the other, as a rule; ids are hints.
  if (insertId !== undefined) for (const [place, { messageKey }] of sorted.entries()) ctx.ids.note(messageKey, insertId + place);
}

function contentValues({ messageKey, item, hash, owner, topicId }: NewMessage): SqlValue[] {
  const { content } = item;
  return [
    messageKey,
    owner.producerGroupId,
    owner.storeId,
    owner.ownerId,
    topicId,
    content.tag,
    hash,
    content.body,
    content.body.length,
    content.contentType,
    encodeHeaders(content.headers),
    content.traceparent,
    content.tracestate,
  ];
}

/** state, lane, wait until due, attention, reason, its detail. */
function placeValues(ctx: StoreContext, message: NewMessage, as: 'prepared' | 'dead'): SqlValue[] {
  if (as === 'dead') return [MessageState.DEAD, null, null, 1, message.dead?.reason ?? null, message.dead?.detail ?? null];
  const wait = waitBeforeRetry(ctx.policies.check, 1, ctx.random());
  return [MessageState.WAITING_CONFIRM, laneOf(LaneKind.CHECK, message.owner.ownerId), wait, null, null, null];
}

/** Splits a batch so that each part holds each key once: what comes twice is judged after the first is stored. */
export function roundsByKey<T extends { messageKey: string }>(items: readonly T[]): { item: T; index: number }[][] {
  const seen = new Map<string, number>();
  const rounds: { item: T; index: number }[][] = [];
  for (const [index, item] of items.entries()) {
    const round = seen.get(item.messageKey) ?? 0;
    seen.set(item.messageKey, round + 1);
    rounds[round] ??= [];
    rounds[round].push({ item, index });
  }
  return rounds;
}
