import { classifySqlError, placeholders, run, runOnPrimary, runTogether, type Sql, type SqlResult, type Tx } from '@tpc/core';
import type { Refusal } from '../../domain/reasons.ts';
import type { Db, StoreContext } from './context.ts';

/** A message row under its lock, without its content. */
export type LockedMessage = {
  id: number;
  message_key: string;
  producer_group_id: number;
  store_id: number;
  state: number;
  cancel_kind: number;
  topic_id: number;
  tag: string;
  generation: number;
  open_groups: number;
  dead_groups: number;
  has_body: number;
  body_size: number;
  content_hash: Buffer;
  lane: number | null;
  claim: number | null;
  attention: number | null;
  reason: string | null;
  published_at: number | null;
  confirmed_at: number | null;
};

const COLUMNS =
  'id, message_key, producer_group_id, store_id, state, cancel_kind, topic_id, tag, generation, open_groups, dead_groups, ' +
  'body IS NOT NULL AS has_body, body_size, content_hash, lane, claim, attention, reason, published_at, confirmed_at';

/** Ids by key as last committed, without a lock. Index: UNIQUE (message_key). */
export async function findMessageIds(db: Db, keys: readonly string[]): Promise<Map<string, number>> {
  if (keys.length === 0) return new Map();
  const { rows } = await runOnPrimary<{ id: number; message_key: string }>(
    db,
    `SELECT id, message_key FROM message WHERE message_key IN (${placeholders(keys.length)})`,
    keys,
  );
  return new Map(rows.map((row) => [row.message_key, row.id]));
}

/** First pass: take what is free, so that one row that another holds does not keep the rest waiting. Last pass: wait for the others. */
export type LockPass = 'skip' | 'wait';

/**
 * Locks message rows by primary key in the order of their ids: the one way in which message rows are locked, so that no two transactions can wait for
 * each other. Confirm rows come after it. (To lock by key in one place and by id in another deadlocks.)
 * @returns the rows; with `skip`, those that nobody else holds
 */
export async function lockMessages(tx: Tx, ctx: Pick<StoreContext, 'sql'>, ids: readonly number[], pass: LockPass): Promise<LockedMessage[]> {
  if (ids.length === 0) return [];
  const { sql, params } = lockStatement(ctx, ids, pass);
  return (await run<LockedMessage>(tx, sql, params)).rows;
}

/**
 * Like `lockMessages`, with what another statement reads once they are locked, in the same packet where that can be had.
 * @returns the rows, and the other statement's
 */
export async function lockMessagesAndRead<R>(
  tx: Tx,
  ctx: Pick<StoreContext, 'sql'>,
  ids: readonly number[],
  pass: LockPass,
  read: Sql,
): Promise<{ locked: LockedMessage[]; rows: R[] }> {
  if (ids.length === 0) return { locked: [], rows: [] };
  const [locked, other] = await runTogether(tx, [lockStatement(ctx, ids, pass), read]);
  return { locked: (locked as SqlResult<LockedMessage>).rows, rows: (other as SqlResult<R>).rows };
}

function lockStatement(ctx: Pick<StoreContext, 'sql'>, ids: readonly number[], pass: LockPass): Sql {
  const lock = pass === 'skip' ? ctx.sql.forUpdateSkipLocked : ctx.sql.forUpdate;
  return {
    sql: `SELECT ${COLUMNS} FROM message WHERE id IN (${placeholders(ids.length)}) ORDER BY id${lock}`,
    params: [...ids].sort((a, b) => a - b),
  };
}

/** How often rows that another holds are waited for, each time as long as the session waits for a lock (about a second). */
const LOCK_WAITS = 2;

/** One transaction, for rows with these ids; answers with those that it could lock. */
type LockingWork = (ids: readonly number[], pass: LockPass) => Promise<readonly Pick<LockedMessage, 'id' | 'message_key'>[]>;

/**
 * Does work for messages in two transactions at most: first for all rows that are free, then, waiting, for the rest. Their ids are those that are
 * remembered, and those that the table tells; a remembered id that turns out to be no row's, or another's, is looked up and the work for it done
 * again. So `work` goes by the keys of the rows that it has locked. Index: UNIQUE (message_key).
 * @returns keys of the rows that another still holds (a replica that froze in a transaction): nothing was done for them. The rest is done, so they
 *   must not fail it.
 */
export async function inLockPasses(
  ctx: Pick<StoreContext, 'knex' | 'retry' | 'ids'>,
  messageKeys: readonly string[],
  work: LockingWork,
): Promise<ReadonlySet<string>> {
  const remembered = new Map<string, number>();
  const others: string[] = [];
  for (const key of new Set(messageKeys)) {
    const id = ctx.ids.get(key);
    if (id === undefined) others.push(key);
    else remembered.set(key, id);
  }
  const look = (keys: readonly string[]) => ctx.retry(() => findMessageIds(ctx.knex, keys));
  const first = await passesFor(ctx, new Map([...remembered, ...(await look(others))]), work);
  const stale = first.absent.filter((key) => remembered.has(key));
  if (stale.length === 0) return first.held;
  for (const key of stale) ctx.ids.forget(key);
  const again = await passesFor(ctx, await look(stale), work);
  return new Set([...first.held, ...again.held]);
}

/** @returns keys of rows that another still holds, and keys that have no row with this id */
async function passesFor(
  { retry, ids }: Pick<StoreContext, 'retry' | 'ids'>,
  idByKey: ReadonlyMap<string, number>,
  work: LockingWork,
): Promise<{ held: Set<string>; absent: string[] }> {
  const locked = new Set<number>();
  const present = new Set<string>();
  const once = async (some: readonly number[], pass: LockPass) => {
    for (const row of await work(some, pass)) {
      locked.add(row.id);
      present.add(row.message_key);
      ids.note(row.message_key, row.id);
    }
  };
  const all = [...idByKey.values()];
  await retry(() => once(all, 'skip'));
  const rest = all.filter((id) => !locked.has(id));
  const waited = rest.length === 0 ? undefined : await retry(() => inLockWaits(() => once(rest, 'wait')));
  const heldIds = new Set(waited === 'held' ? rest : []);
  const missing = [...idByKey.keys()].filter((key) => !present.has(key));
  const isHeld = (key: string) => heldIds.has(idByKey.get(key) as number);
  return { held: new Set(missing.filter(isHeld)), absent: missing.filter((key) => !isHeld(key)) };
}

/** Does work that may wait for what another holds, a bounded number of times. @returns 'held' when another still holds it; nothing is done then */
export async function inLockWaits<T>(work: () => Promise<T>): Promise<T | 'held'> {
  for (let waits = 1; ; waits++) {
    try {
      return await work();
    } catch (error) {
      if (classifySqlError(error) !== 'locked') throw error;
      if (waits >= LOCK_WAITS) return 'held';
    }
  }
}

/** The answer to who asked for something of a message that another holds. */
export function heldByAnother(messageKey: string): Refusal {
  return { refused: 'STORE_UNAVAILABLE', metadata: { message_key: messageKey } };
}
