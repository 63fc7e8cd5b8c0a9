import { deferWrite, inPacketTransaction, placeholders, type Tx } from '@tpc/core';
import { type MessageEvent, moveOf, placeOf, type StoredPlace, stateOf } from '../../domain/message-transitions.ts';
import type { Refusal } from '../../domain/reasons.ts';
import { CancelKind, MessageState } from '../../domain/states.ts';
import type { StoreContext } from '../base/context.ts';
import { heldByAnother, inLockPasses, type LockedMessage, type LockPass, lockMessages, lockMessagesAndRead } from '../base/lock-messages.ts';
import { addEvents, type NewEvent } from '../base/message-events.ts';
import { type Fanout, fanoutOf, type Subscription, startSending, subscriptionsOf } from '../publishing/start-sending.ts';
import { settingStraysAside } from '../repair/stray-copies.ts';
import type { Claim, StateResult } from '../store-types.ts';

/**
 * What producers say about messages that TPC has: confirm, delete, and both final verdicts. All of them look the key up, lock the row, ask the
 * transition table and write the move; this is the one place for it. A batch may hold several words about one message: they count in their order.
 */
export type Settlement = {
  messageKey: string;
  producerGroup: string;
  /** Who gave the verdict; undefined: not asked for. */
  storeId?: string;
  event: Extract<MessageEvent, 'confirm' | 'delete' | 'rolledBack'>;
};

export type Settled = {
  results: StateResult[];
  /** Ids that are SENDING and claimed for the caller, with the place of the item that did it. */
  claimed: Map<number, number>;
};

type Owners = { groups: ReadonlyMap<string, number>; stores: ReadonlyMap<string, number> };

/** A message within the transaction: where it stands now, and what has to be written for it at the end. */
type Working = {
  row: LockedMessage;
  place: StoredPlace;
  attention: NewEvent | undefined;
  /** Index of the item that moved it, or that had made it SENDING before. */
  movedBy: number | undefined;
};

export async function settleMessages(ctx: StoreContext, items: readonly Settlement[], claim: Claim): Promise<Settled> {
  const owners = {
    groups: await ctx.names.findProducerGroups(items.map((item) => item.producerGroup)),
    stores: await ctx.names.findStores(items.flatMap((item) => item.storeId ?? [])),
  };
  const settled: Settled = { results: items.map((item) => refusalOf(item)), claimed: new Map() };
  const keys = items.map((item) => item.messageKey);
  const held = await inLockPasses(ctx, keys, async (ids, pass) => {
    const part = await settingStraysAside(ctx, (some) => settleOnce(some, { items, owners, claim, ids, pass }));
    for (const [index, result] of part.results) settled.results[index] = result;
    for (const [id, index] of part.claimed) settled.claimed.set(id, index);
    return part.locked;
  });
  for (const [index, key] of keys.entries()) if (held.has(key)) settled.results[index] = heldByAnother(key);
  return settled;
}

/** The answer for a key that has no row, or not one of this producer group. */
function refusalOf(item: Settlement): Refusal {
  return { refused: moveOf('UNKNOWN', item.event).refuse ?? 'MESSAGE_NOT_FOUND', metadata: { message_key: item.messageKey } };
}

type Pass = { items: readonly Settlement[]; owners: Owners; claim: Claim; ids: readonly number[]; pass: LockPass };
type PassOutcome = { results: Map<number, StateResult>; claimed: Map<number, number>; locked: LockedMessage[] };

function settleOnce(ctx: StoreContext, { items, owners, claim, ids, pass }: Pass): Promise<PassOutcome> {
  return inPacketTransaction(ctx.knex, async (tx) => {
    const confirming = items.some((item) => item.event === 'confirm');
    const { locked: rows, rows: subscriptions } = confirming
      ? await lockMessagesAndRead<Subscription>(tx, ctx, ids, pass, subscriptionsOf(ids))
      : { locked: await lockMessages(tx, ctx, ids, pass), rows: [] };
    const fanout = fanoutOf(
      rows.filter((row) => moveOf(placeOf(row), 'confirm').to !== undefined),
      subscriptions,
    );
    const byKey = new Map<string, Working>(
      rows.map((row) => [row.message_key, { row, place: placeOf(row), attention: undefined, movedBy: undefined }]),
    );
    const results = new Map<number, StateResult>();
    items.forEach((item, index) => {
      const working = byKey.get(item.messageKey);
      if (working !== undefined) results.set(index, decide(item, index, { working, owners, fanout, claim }));
    });
    const { claimed, aside } = await write(tx, ctx, { items, working: [...byKey.values()], fanout, claim });
    for (const [index, { messageKey }] of items.entries())
      if (aside.has(byKey.get(messageKey)?.row.id ?? 0)) results.set(index, { state: MessageState.DEAD });
    return { results, claimed, locked: rows };
  });
}

type Around = { working: Working; owners: Owners; fanout: Fanout; claim: Claim };

/** Decides one item and moves the message in memory; nothing is written yet. */
function decide(item: Settlement, index: number, { working, owners, fanout, claim }: Around): StateResult {
  const { row } = working;
  const metadata = { message_key: item.messageKey };
  if (owners.groups.get(item.producerGroup) !== row.producer_group_id) return refusalOf(item);
  if (item.storeId !== undefined && owners.stores.get(item.storeId) !== row.store_id) return { refused: 'STORE_MISMATCH', metadata };
  const move = moveOf(working.place, item.event);
  const known = row.attention !== null && row.reason === move.attention;
  if (move.attention !== undefined && move.to === undefined && !known) {
    working.attention = { messageId: row.id, kind: move.attention as NewEvent['kind'], actor: item.producerGroup };
  }
  if (move.refuse !== undefined) return { refused: move.refuse, metadata };
  if (move.to === 'SENDING' && row.has_body === 0) return { refused: 'CONTENT_NEEDED', metadata };
  if (move.to !== undefined) {
    working.place = move.orDead && (fanout.get(row.id) ?? []).length === 0 ? 'DEAD' : move.to;
    working.movedBy = index;
  } else if (item.event === 'confirm' && row.state === MessageState.SENDING && row.claim === claim.token) {
    // Our own confirm, whose commit got no answer: it is ours to publish.
    working.movedBy ??= index;
  }
  return { state: stateOf(working.place) };
}

type Effects = { items: readonly Settlement[]; working: readonly Working[]; fanout: Fanout; claim: Claim };

type Written = {
  /** What is claimed for the caller, with the item that did it. */
  claimed: Map<number, number>;
  /** What could not become SENDING and is DEAD. */
  aside: ReadonlySet<number>;
};

/** Writes where the messages stand at the end of the batch. */
async function write(tx: Tx, ctx: StoreContext, { items, working, fanout, claim }: Effects): Promise<Written> {
  const moved = working.filter((message) => message.place !== placeOf(message.row));
  const at = (...places: StoredPlace[]) => moved.filter((message) => places.includes(message.place));
  const starting = at('SENDING', 'DEAD').map((message) => message.row);
  const started = await startSending(tx, ctx, starting, fanout, claim);
  await cancel(tx, ctx, at('ABORTED'), CancelKind.ABORTED);
  await cancel(tx, ctx, at('ROLLED_BACK'), CancelKind.ROLLED_BACK);
  const flagged = working.flatMap((message) => message.attention ?? []);
  await flag(tx, flagged);
  const revived = moved.filter((message) => message.place !== 'ROLLED_BACK' && placeOf(message.row) === 'ABORTED');
  const revivals = revived.map(
    (message): NewEvent => ({ messageId: message.row.id, kind: 'REVIVED', actor: actorOf(items, message), detail: message.place }),
  );
  await addEvents(tx, ctx, [...flagged, ...revivals]);
  const ours = working.filter((message) => message.movedBy !== undefined && message.place === 'SENDING');
  const claimed = ours.filter((message) => started.claimed.has(message.row.id) || message.row.state === MessageState.SENDING);
  return { claimed: new Map(claimed.map((message) => [message.row.id, message.movedBy as number])), aside: started.aside };
}

function actorOf(items: readonly Settlement[], message: Working): string {
  return items[message.movedBy ?? -1]?.producerGroup ?? '';
}

/** Lock: the message rows are held. */
async function cancel(tx: Tx, ctx: StoreContext, messages: readonly Working[], kind: CancelKind): Promise<void> {
  if (messages.length === 0) return;
  await deferWrite(
    tx,
    `UPDATE message SET state = ${MessageState.CANCELLED}, cancel_kind = ?, lane = NULL, due_at = NULL, claim = NULL, finished_at = ${ctx.sql.now}
     WHERE id IN (${placeholders(messages.length)})`,
    [kind, ...messages.map((message) => message.row.id)],
  );
}

/** Marks what a person should look at; a DEAD message keeps the reason that it has. Lock: the message rows are held. */
async function flag(tx: Tx, events: readonly NewEvent[]): Promise<void> {
  for (const [kind, group] of Map.groupBy(events, (event) => event.kind)) {
    await deferWrite(
      tx,
      `UPDATE message SET reason = CASE WHEN state = ${MessageState.DEAD} THEN reason ELSE ? END, attention = 1
       WHERE id IN (${placeholders(group.length)})`,
      [kind, ...group.map((event) => event.messageId)],
    );
  }
}
