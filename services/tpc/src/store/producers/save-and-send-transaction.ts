import { encodeHeaders, placeholders, run, type Tx } from '@tpc/core';
import { type Move, moveOf, placeOf, stateOf } from '../../domain/message-transitions.ts';
import { CancelKind, DeadReason, MessageState } from '../../domain/states.ts';
import type { StoreContext } from '../base/context.ts';
import { findMessageIds, type LockedMessage, type LockPass, lockMessages } from '../base/lock-messages.ts';
import { ACTOR_TPC, addEvents, type NewEvent } from '../base/message-events.ts';
import { type Fanout, readFanout, startSending } from '../publishing/start-sending.ts';
import type { Claim, SaveAndSendResult } from '../store-types.ts';
import { insertMessages, type NewMessage } from './insert-messages.ts';

/** One message of a save-and-send. */
export type CommitWork = { message: NewMessage; committed: boolean; isNew: boolean };

type Work = {
  work: readonly CommitWork[];
  /** What cannot go its way and is kept DEAD, under keys that are not there yet. */
  dead: readonly NewMessage[];
  claim: Claim;
  /** Whether to wait for known messages that another holds. */
  pass: LockPass;
};

type Stored = {
  /** By key; missing is what another holds, on the pass that skips it. */
  results: Map<string, SaveAndSendResult>;
  /** Keys by id of what the caller is to publish. */
  claimed: Map<number, string>;
};

type Decided = { row: LockedMessage; message: NewMessage; move: Move };

/**
 * The transaction of a save-and-send: inserts what is new, then locks, decides and writes like a confirm. Inserts come before the locks, so that
 * nobody who holds a message waits for an insert.
 * @throws the database's duplicate error when another inserted one of the keys meanwhile
 */
export async function saveAndSendIn(tx: Tx, ctx: StoreContext, { work, dead, claim, pass }: Work): Promise<Stored> {
  const fresh = work.filter((entry) => entry.isNew).map((entry) => entry.message);
  if (fresh.length > 0) await insertMessages(tx, ctx, fresh, 'prepared');
  await keepDead(tx, ctx, dead);
  const ids = await findMessageIds(
    tx,
    work.map((entry) => entry.message.messageKey),
  );
  const rows = new Map((await lockMessages(tx, ctx, [...ids.values()], pass)).map((row) => [row.message_key, row]));
  const decided = work.flatMap(({ message, committed }): Decided[] => {
    const row = rows.get(message.messageKey);
    if (row !== undefined) return [{ row, message, move: moveFor(row, committed) }];
    if (pass === 'skip') return [];
    throw new Error(`message ${message.messageKey} was cleaned away while it was sent again`);
  });
  const starting = decided.filter(({ move }) => move.to === 'SENDING');
  const fanout = await readFanout(
    tx,
    starting.map(({ row }) => row),
  );
  await restoreContents(tx, decided);
  const started = await startSending(
    tx,
    ctx,
    starting.map(({ row }) => row),
    fanout,
    claim,
  );
  await markCommitAfterRollback(
    tx,
    ctx,
    decided.filter(({ move }) => move.to === 'DEAD'),
  );
  const results = decided.map(({ row, move }) => [row.message_key, toResult(row, move, fanout, started.aside)] as const);
  const ours = decided.filter(({ row }) => started.claimed.has(row.id) || (row.state === MessageState.SENDING && row.claim === claim.token));
  return { results: new Map(results), claimed: new Map(ours.map(({ row }) => [row.id, row.message_key])) };
}

/** Not committed: refused wherever a save is, else as good as committed. */
function moveFor(row: LockedMessage, committed: boolean): Move {
  const asSave = moveOf(placeOf(row), 'save');
  return !committed && asSave.refuse !== undefined ? asSave : moveOf(placeOf(row), 'commit');
}

function toResult(row: LockedMessage, move: Move, fanout: Fanout, aside: ReadonlySet<number>): SaveAndSendResult {
  const storedKey = row.message_key;
  if (move.refuse !== undefined) return { refused: move.refuse, metadata: { message_key: storedKey } };
  if (move.to === undefined) return { state: stateOf(placeOf(row)), storedKey, reason: row.state === MessageState.DEAD ? (row.reason ?? '') : '' };
  if (move.to === 'DEAD') return { state: MessageState.DEAD, storedKey, reason: DeadReason.COMMIT_AFTER_ROLLBACK };
  if (aside.has(row.id)) return { state: MessageState.DEAD, storedKey, reason: DeadReason.STRAY_COPIES };
  if ((fanout.get(row.id) ?? []).length > 0) return { state: MessageState.SENDING, storedKey, reason: '' };
  return { state: MessageState.DEAD, storedKey, reason: DeadReason.NO_SUBSCRIBER };
}

async function keepDead(tx: Tx, ctx: StoreContext, messages: readonly NewMessage[]): Promise<void> {
  if (messages.length === 0) return;
  await insertMessages(tx, ctx, messages, 'dead');
  const ids = await findMessageIds(
    tx,
    messages.map((message) => message.messageKey),
  );
  const events = messages.flatMap(({ messageKey, dead }): NewEvent[] => {
    const messageId = ids.get(messageKey);
    if (messageId === undefined || dead === undefined) return [];
    return [{ messageId, kind: dead.reason, actor: ACTOR_TPC, detail: dead.detail, dead: dead.reason }];
  });
  await addEvents(tx, ctx, events);
}

/** Bodies that were cleaned away come back with the same content: the hash was compared. */
async function restoreContents(tx: Tx, decided: readonly Decided[]): Promise<void> {
  for (const { row, message, move } of decided) {
    if (row.has_body !== 0 || move.to === undefined) continue;
    const { body, headers } = message.item.content;
    await run(tx, 'UPDATE message SET body = ?, headers = ? WHERE id = ?', [body, encodeHeaders(headers), row.id]);
  }
}

/** Lock: the message rows are held. */
async function markCommitAfterRollback(tx: Tx, ctx: StoreContext, decided: readonly Decided[]): Promise<void> {
  if (decided.length === 0) return;
  await run(
    tx,
    `UPDATE message SET state = ${MessageState.DEAD}, cancel_kind = ${CancelKind.NONE}, attention = 1,
       reason = '${DeadReason.COMMIT_AFTER_ROLLBACK}', finished_at = ${ctx.sql.now}
     WHERE id IN (${placeholders(decided.length)})`,
    decided.map(({ row }) => row.id),
  );
  await addEvents(
    tx,
    ctx,
    decided.map(
      ({ row, message }): NewEvent => ({
        messageId: row.id,
        kind: 'COMMIT_AFTER_ROLLBACK',
        actor: message.item.producerGroup,
        dead: DeadReason.COMMIT_AFTER_ROLLBACK,
      }),
    ),
  );
}
