import { dialectOf, inPacketTransaction, longestWait, run, runOnPrimary, type SqlValue, type Tx } from '@tpc/core';
import type { Knex } from 'knex';
import { beyond, CLOCK_SET_BACK, PULL_IN_AT_ONCE, TOLERANCE_MS } from '../../clock/far-due.ts';
import type { Settings } from '../defaults.ts';
import type { InboxKey } from '../domain/inbox-row.ts';
import { EffectState } from '../domain/states.ts';
import { byGeneration } from '../store/by-generation.ts';
import { MAX_REFUSED_WAIT_MS } from '../store/report-inbox.ts';
import type { EffectHandler } from '../types.ts';

/** Lease of the messages whose handler has effects: longer than one effect's by as much again, milliseconds. */
export function effectLeaseMs({ leaseMs }: Pick<Settings, 'leaseMs'>, handler: EffectHandler): number {
  return Math.max(leaseMs, 2 * handler.leaseMs);
}

/** Rows of the inbox that have one kind of due time. */
type Kind = {
  column: 'due_at' | 'report_due_at';
  where: string;
  params: readonly SqlValue[];
  /** What lies further ahead was not given that time by the clock as it is now, milliseconds. */
  longestMs: number;
  /** When it is due instead, milliseconds from now. */
  insteadMs: number;
  /** Lease of the rows' effects, which are pulled in with them, milliseconds; undefined: they have none. */
  effectLeaseMs?: number;
};

/**
 * A look that makes due what is due further ahead than any wait of the library could have made it, as after the database's clock was set back. What is claimed keeps a
 * whole lease. While the clock is right it is one short read for each kind. Indexes tpc_inbox_due, tpc_inbox_report_due and tpc_inbox_received.
 *
 * A message whose handler has effects may be deferred by it for up to a year, so no bound says anything while nobody has claimed it. Such messages are pulled in when some
 * message of the group was received in the future: once for that, since what is deferred for long afterwards is so by the clock as it is now. A deferral that is ended too
 * early by that costs one call of the handler, which defers again.
 */
export function farDueLook(settings: Settings): () => Promise<void> {
  let pulledInFor: number | undefined;
  return async () => {
    const newest = await newestInFuture(settings);
    const deferred = newest !== undefined && newest !== pulledInFor;
    for (const kind of kindsOf(settings, deferred)) await pullInKind(settings, kind);
    pulledInFor = newest;
  };
}

async function newestInFuture({ knex, group }: Settings): Promise<number | undefined> {
  const look = `SELECT received_at FROM tpc_inbox WHERE consumer_group = ? AND received_at > ${dialectOf(knex).now} + ? ORDER BY received_at DESC LIMIT 1`;
  const { rows } = await runOnPrimary<{ received_at: number | string }>(knex, look, [group, TOLERANCE_MS]);
  return rows[0] && Number(rows[0].received_at);
}

async function pullInKind({ knex, group, log }: Settings, kind: Kind): Promise<void> {
  let total = 0;
  while (await isAny(knex, kind)) {
    const count = await pullIn(knex, group, kind);
    total += count;
    if (count < PULL_IN_AT_ONCE) break;
  }
  if (total > 0) log.warn({ count: total, column: kind.column }, CLOCK_SET_BACK);
}

/** @param deferred also what a handler may have deferred */
function kindsOf({ group, subscriptions, handlers, leaseMs, retry, reportRepeatMs }: Settings, deferred: boolean): Kind[] {
  const topics = [...new Set(subscriptions.map(({ topic }) => topic))];
  const ofTopics = topics.flatMap((topic): Kind[] => {
    const handler = handlers[topic];
    const effects = handler !== undefined && 'effects' in handler ? handler : undefined;
    const lease = effects ? effectLeaseMs({ leaseMs }, effects) : leaseMs;
    const of = { column: 'due_at', params: [group, topic], ...(effects && { effectLeaseMs: effects.leaseMs }) } as const;
    const where = 'consumer_group = ? AND topic = ? AND claim IS';
    const claimed: Kind = { ...of, where: `${where} NOT NULL`, longestMs: beyond(lease), insteadMs: lease };
    const waits: Kind = { ...of, where: `${where} NULL`, longestMs: beyond(longestWait(retry)), insteadMs: 0 };
    return effects && !deferred ? [claimed] : [claimed, waits];
  });
  const reports: Kind = {
    column: 'report_due_at',
    where: 'consumer_group = ?',
    params: [group],
    longestMs: beyond(reportRepeatMs, MAX_REFUSED_WAIT_MS),
    insteadMs: 0,
  };
  return [...ofTopics, reports];
}

function farRows({ where, column }: Kind, now: string): string {
  return `FROM tpc_inbox WHERE ${where} AND ${column} > ${now} + ? ORDER BY ${column} DESC LIMIT`;
}

async function isAny(knex: Knex, kind: Kind): Promise<boolean> {
  const { rows } = await runOnPrimary(knex, `SELECT message_key ${farRows(kind, dialectOf(knex).now)} 1`, [...kind.params, kind.longestMs]);
  return rows.length > 0;
}

/** @returns how many; rows that a handler holds are skipped */
function pullIn(knex: Knex, group: string, kind: Kind): Promise<number> {
  const { now, forUpdateSkipLocked } = dialectOf(knex);
  const { column, params, longestMs, insteadMs } = kind;
  return inPacketTransaction(knex, async (tx) => {
    const { rows } = await run<{ message_key: string; generation: number }>(
      tx,
      `SELECT message_key, generation ${farRows(kind, now)} ${PULL_IN_AT_ONCE}${forUpdateSkipLocked}`,
      [...params, longestMs],
    );
    const keys = rows.map((row): InboxKey => ({ messageKey: row.message_key, generation: row.generation }));
    let count = 0;
    for (const part of byGeneration(keys)) {
      const { affected } = await run(
        tx,
        `UPDATE tpc_inbox SET ${column} = ${now} + ? WHERE ${kind.where} AND ${part.where} AND ${column} > ${now} + ?`,
        [insteadMs, ...params, ...part.params, longestMs],
      );
      count += affected;
      if (kind.effectLeaseMs !== undefined) await pullInEffects(tx, group, part, kind.effectLeaseMs);
    }
    return count;
  });
}

/** The rows of the inbox are locked, as by whoever settles an effect. An effect that is claimed keeps its lease. Primary key. */
async function pullInEffects(tx: Tx, group: string, of: { where: string; params: SqlValue[] }, leaseMs: number): Promise<void> {
  const { now } = dialectOf(tx);
  await run(
    tx,
    `UPDATE tpc_inbox_effect SET lease_until = ${now} + CASE WHEN claim IS NULL THEN 0 ELSE ? END
WHERE consumer_group = ? AND ${of.where} AND state = ? AND lease_until > ${now} + ?`,
    [leaseMs, group, ...of.params, EffectState.OPEN, beyond(leaseMs)],
  );
}
