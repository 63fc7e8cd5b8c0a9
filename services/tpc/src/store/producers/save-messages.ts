import { encodeHeaders, run, waitBeforeRetry } from '@tpc/core';
import { moveOf, placeOf, stateOf } from '../../domain/message-transitions.ts';
import { CancelKind, MessageState } from '../../domain/states.ts';
import type { StoreContext } from '../base/context.ts';
import { LaneKind, laneOf } from '../base/lanes.ts';
import { heldByAnother } from '../base/lock-messages.ts';
import { addEvents } from '../base/message-events.ts';
import { isKeyTaken, pause } from '../base/retrying.ts';
import type { SaveItem, StateResult } from '../store-types.ts';
import { insertMessages, type NewMessage, prepareMessages, roundsByKey } from './insert-messages.ts';
import { isSameEvent, type KnownMessage, readKnownMessages } from './known-messages.ts';
import { refuseUnsubscribed } from './refuse-unsubscribed.ts';

/**
 * Prepares messages (Store.saveMessages). The usual case is one INSERT of many rows and nothing else: no SELECT before it. Only when a key is there
 * are the rows read and judged, the rest inserted again, and if that fails too, each by itself. Index: UNIQUE (message_key).
 */
export async function saveMessages(ctx: StoreContext, items: readonly SaveItem[]): Promise<StateResult[]> {
  const results: StateResult[] = [];
  for (const round of roundsByKey(items)) {
    const wanted: { message: NewMessage; index: number }[] = [];
    const refused = await refuseUnsubscribed(ctx, round);
    for (const [index, refusal] of refused) results[index] = refusal;
    const subscribed = round.filter((entry) => !refused.has(entry.index));
    const prepared = await prepareMessages(
      ctx,
      subscribed.map((entry) => entry.item),
    );
    for (const [place, message] of prepared.entries()) {
      const { index } = subscribed[place] as { index: number };
      if ('refused' in message) results[index] = message;
      else wanted.push({ message, index });
    }
    const states = await ctx.retry(() =>
      saveRound(
        ctx,
        wanted.map((entry) => entry.message),
      ),
    );
    wanted.forEach(({ index }, place) => {
      results[index] = states[place] as StateResult;
    });
  }
  return results;
}

/** So often a single message is tried while others insert or move it at the same moment, with a pause; then its caller is asked to come again. */
const SINGLE_TRIES = 5;
const PREPARED: StateResult = { state: MessageState.WAITING_CONFIRM };

/** @param messages each key once */
async function saveRound(ctx: StoreContext, messages: readonly NewMessage[]): Promise<StateResult[]> {
  if (messages.length === 0 || (await tryInsert(ctx, messages))) return messages.map(() => PREPARED);
  const known = await readKnownMessages(
    ctx.knex,
    messages.map((message) => message.messageKey),
  );
  const fresh = messages.filter((message) => !known.has(message.messageKey));
  const inserted = await tryInsert(ctx, fresh);
  const results: StateResult[] = [];
  for (const message of messages) {
    const row = known.get(message.messageKey);
    if (row !== undefined) results.push((await judge(ctx, message, row)) ?? (await saveOne(ctx, message)));
    else results.push(inserted ? PREPARED : await saveOne(ctx, message));
  }
  return results;
}

/** @returns false when a key is there already; nothing is stored then */
async function tryInsert(ctx: StoreContext, messages: readonly NewMessage[]): Promise<boolean> {
  if (messages.length === 0) return true;
  try {
    await insertMessages(ctx.knex, ctx, messages, 'prepared');
    return true;
  } catch (error) {
    if (isKeyTaken(error)) return false;
    throw error;
  }
}

async function saveOne(ctx: StoreContext, message: NewMessage): Promise<StateResult> {
  for (let tries = 1; tries <= SINGLE_TRIES; tries++) {
    const row = (await readKnownMessages(ctx.knex, [message.messageKey])).get(message.messageKey);
    const result = row === undefined ? undefined : await judge(ctx, message, row);
    if (result !== undefined) return result;
    if (row === undefined && (await tryInsert(ctx, [message]))) return PREPARED;
    await pause(ctx.random, tries);
  }
  return heldByAnother(message.messageKey);
}

/** What a save answers when the key is there (design §3.6, §4). @returns undefined when the message moved between the look and the update */
async function judge(ctx: StoreContext, message: NewMessage, known: KnownMessage): Promise<StateResult | undefined> {
  const metadata = { message_key: message.messageKey };
  const move = moveOf(placeOf(known), 'save');
  const sameGroup = known.producer_group_id === message.owner.producerGroupId;
  if (sameGroup && move.refuse !== undefined) return { refused: move.refuse, metadata };
  if (!isSameEvent(known, message)) return { refused: 'KEY_CONFLICT', metadata };
  if (move.to === undefined) return { state: stateOf(placeOf(known)) };
  return (await revive(ctx, message, known.id)) ? { state: stateOf(move.to) } : undefined;
}

/** Prepares an ABORTED message again, with its body. Guarded by its state: of two at once one finds it moved. */
async function revive(ctx: StoreContext, message: NewMessage, id: number): Promise<boolean> {
  const { content, producerGroup } = message.item;
  const { affected } = await run(
    ctx.knex,
    `UPDATE message SET state = ${MessageState.WAITING_CONFIRM}, cancel_kind = ${CancelKind.NONE}, store_id = ?, owner_id = ?,
       body = ?, headers = ?, traceparent = ?, tracestate = ?, lane = ?, due_at = ${ctx.sql.now} + ?, finished_at = NULL, checks = 0
     WHERE id = ? AND state = ${MessageState.CANCELLED} AND cancel_kind = ${CancelKind.ABORTED}`,
    [
      message.owner.storeId,
      message.owner.ownerId,
      content.body,
      encodeHeaders(content.headers),
      content.traceparent,
      content.tracestate,
      laneOf(LaneKind.CHECK, message.owner.ownerId),
      waitBeforeRetry(ctx.policies.check, 1, ctx.random()),
      id,
    ],
  );
  if (affected === 0) return false;
  await addEvents(ctx.knex, ctx, [{ messageId: id, kind: 'REVIVED', actor: producerGroup, detail: 'WAITING_CONFIRM' }]);
  return true;
}
