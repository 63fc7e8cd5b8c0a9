import { inPacketTransaction } from '@tpc/core';
import { conflictKey } from '../../domain/content-hash.ts';
import type { InvalidContent } from '../../domain/invalid-content.ts';
import { moveOf, placeOf } from '../../domain/message-transitions.ts';
import type { Refusal } from '../../domain/reasons.ts';
import { DeadReason, MessageState } from '../../domain/states.ts';
import type { StoreContext } from '../base/context.ts';
import { heldByAnother, inLockWaits, type LockPass } from '../base/lock-messages.ts';
import { isKeyTaken, pause } from '../base/retrying.ts';
import { settingStraysAside } from '../repair/stray-copies.ts';
import type { Claim, SaveAndSendItem, SaveAndSendOutcome, SaveAndSendResult } from '../store-types.ts';
import { toConfirmOutcome } from './confirm-messages.ts';
import { type NewMessage, prepareMessages, roundsByKey } from './insert-messages.ts';
import { isSameEvent, type KnownMessage, readKnownMessages } from './known-messages.ts';
import { refuseUnsubscribed } from './refuse-unsubscribed.ts';
import { type CommitWork, saveAndSendIn } from './save-and-send-transaction.ts';

/** A batch is tried as a whole so often while others insert its keys at the same moment; then each message goes by itself. */
const WHOLE_BATCH_TRIES = 2;
/** So often a single message is tried while others insert its key at the same moment, with a pause; then its caller is asked to come again. */
const SINGLE_TRIES = 5;

/** Messages that are stored by one transaction, each key once; not tried again after `until`. On the pass that skips what another holds, its results are missing. */
type Batch = { items: readonly SaveAndSendItem[]; messages: readonly NewMessage[]; claim: Claim; pass: LockPass; until: number };

/** What a round has come to: a result for each of its items, and what is claimed (message id → place in the round). */
type Round = { results: SaveAndSendResult[]; claimed: Map<number, number> };

/**
 * Stores and confirms in one transaction (Store.saveAndSendMessages), right in every state of the key. Another content under a known key is kept
 * beside it, DEAD, under the key and a piece of its hash; so is, DEAD, what breaks the rules of contents.
 */
export async function saveAndSendMessages(
  ctx: StoreContext,
  items: readonly SaveAndSendItem[],
  claim: Claim,
  until = Number.POSITIVE_INFINITY,
): Promise<SaveAndSendOutcome> {
  const results: SaveAndSendResult[] = [];
  const claimed = new Map<number, number>();
  for (const round of roundsByKey(items)) {
    const refused = await refuseUnsubscribed(
      ctx,
      round.filter(({ item }) => !item.committed),
    );
    for (const [index, refusal] of refused) results[index] = refusal;
    const subscribed = round.filter((entry) => !refused.has(entry.index));
    const prepared = await prepareMessages(
      ctx,
      subscribed.map((entry) => entry.item),
    );
    const allowed = subscribed.flatMap((entry, place) => {
      const message = prepared[place] as NewMessage | Refusal;
      if (!('refused' in message)) return [{ ...entry, message }];
      results[entry.index] = message;
      return [];
    });
    const batch = { items: allowed.map(({ item }) => item), messages: allowed.map(({ message }) => message) };
    const done = await saveRound(ctx, { ...batch, claim, until });
    const indexOf = (place: number) => (allowed[place] as { index: number }).index;
    for (const [place, result] of done.results.entries()) results[indexOf(place)] = result;
    for (const [id, place] of done.claimed) claimed.set(id, indexOf(place));
  }
  const outcome = await toConfirmOutcome(ctx, { results: [], claimed }, items, (index) => items[index]?.content);
  return { ...outcome, results };
}

/** First for all that is free, then, waiting, for the messages that another holds. */
async function saveRound(ctx: StoreContext, batch: Omit<Batch, 'pass'>): Promise<Round> {
  const { items, messages } = batch;
  const round = await saveAll(ctx, { ...batch, pass: 'skip' });
  const held = [...items.keys()].filter((place) => round.results[place] === undefined);
  if (held.length === 0) return round;
  const pick = <T>(all: readonly T[]) => held.map((place) => all[place] as T);
  const rest = await saveAll(ctx, { ...batch, items: pick(items), messages: pick(messages), pass: 'wait' });
  held.forEach((place, at) => {
    round.results[place] = rest.results[at] as SaveAndSendResult;
  });
  for (const [id, at] of rest.claimed) round.claimed.set(id, held[at] as number);
  return round;
}

async function saveAll(ctx: StoreContext, batch: Batch): Promise<Round> {
  for (let tries = 1; tries <= WHOLE_BATCH_TRIES; tries++) {
    const done = await trySave(ctx, batch);
    if (done !== undefined) return done;
  }
  const round: Round = { results: [], claimed: new Map() };
  for (const [place, item] of batch.items.entries()) {
    const single = await saveSingle(ctx, { ...batch, items: [item], messages: [batch.messages[place] as NewMessage], pass: 'wait' });
    round.results[place] = single.results[0] as SaveAndSendResult;
    for (const id of single.claimed.keys()) round.claimed.set(id, place);
  }
  return round;
}

async function saveSingle(ctx: StoreContext, single: Batch): Promise<Round> {
  for (let tries = 1; tries <= SINGLE_TRIES && performance.now() < single.until; tries++) {
    const done = await trySave(ctx, single);
    if (done !== undefined) return done;
    await pause(ctx.random, tries);
  }
  return { results: single.items.map((item) => heldByAnother(item.messageKey)), claimed: new Map() };
}

/** @returns undefined when another inserted one of the keys meanwhile; nothing is stored then */
async function trySave(ctx: StoreContext, batch: Batch): Promise<Round | undefined> {
  try {
    const done = await ctx.retry(() => inLockWaits(() => settingStraysAside(ctx, (some) => saveOnce(some, batch))));
    if (done !== 'held') return done;
    return { results: batch.items.map((item) => heldByAnother(item.messageKey)), claimed: new Map() };
  } catch (error) {
    if (isKeyTaken(error)) return undefined;
    throw error;
  }
}

async function saveOnce(ctx: StoreContext, { items, messages, claim, pass }: Batch): Promise<Round> {
  const known = await readKnownMessages(
    ctx.knex,
    messages.map((message) => message.messageKey),
  );
  const results: SaveAndSendResult[] = [];
  const work: (CommitWork & { place: number })[] = [];
  const beside: { message: NewMessage; place: number }[] = [];
  for (const [place, message] of messages.entries()) {
    const row = known.get(message.messageKey);
    const { committed } = items[place] as SaveAndSendItem;
    const { invalid } = message.item;
    if (row === undefined ? invalid === undefined : isSameEvent(row, message)) work.push({ message, committed, isNew: row === undefined, place });
    else if (committed) beside.push({ message: deadMessage(message, row, invalid), place });
    else if (row !== undefined) results[place] = { refused: refusalOf(row, message), metadata: { message_key: message.messageKey } };
  }
  const kept = await readKnownMessages(
    ctx.knex,
    beside.map((one) => one.message.messageKey),
  );
  const fresh = beside.map((one) => one.message).filter((message) => !kept.has(message.messageKey));
  const stored = await inPacketTransaction(ctx.knex, (tx) => saveAndSendIn(tx, ctx, { work, dead: fresh, claim, pass }));
  for (const { message, place } of work) {
    const result = stored.results.get(message.messageKey);
    if (result !== undefined) results[place] = result;
  }
  for (const { message, place } of beside) results[place] = keptResult(message, kept.get(message.messageKey));
  const placeOfKey = new Map(work.map(({ message, place }) => [message.messageKey, place]));
  const claimed = [...stored.claimed].map(([id, key]) => [id, placeOfKey.get(key) as number] as const);
  return { results, claimed: new Map(claimed) };
}

function refusalOf(known: KnownMessage, message: NewMessage) {
  const sameGroup = known.producer_group_id === message.owner.producerGroupId;
  return sameGroup && moveOf(placeOf(known), 'save').refuse === 'KEY_ROLLED_BACK' ? 'KEY_ROLLED_BACK' : 'KEY_CONFLICT';
}

/** A committed message that cannot go its way: kept DEAD, under a key of its own where its key is taken. */
function deadMessage(message: NewMessage, known: KnownMessage | undefined, invalid: InvalidContent | undefined): NewMessage {
  const messageKey = known === undefined ? message.messageKey : conflictKey(message.messageKey, message.hash);
  const { reason, detail } = invalid
    ? { reason: DeadReason.CONTENT_INVALID, detail: invalid.detail }
    : { reason: DeadReason.KEY_CONFLICT, detail: '' };
  return { ...message, messageKey, dead: { reason, detail } };
}

/** An operator may have resent what was kept: then it is answered as it stands now. */
function keptResult({ messageKey: storedKey, dead }: NewMessage, kept: KnownMessage | undefined): SaveAndSendResult {
  if (kept === undefined) return { state: MessageState.DEAD, storedKey, reason: dead?.reason ?? '' };
  return { state: kept.state as MessageState, storedKey, reason: kept.reason ?? '' };
}
