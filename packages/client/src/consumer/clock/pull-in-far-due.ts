import { dialectOf, inTransaction, run, runOnPrimary, type SqlValue } from '@tpc/core';
import type { Knex } from 'knex';
import { beyond, CLOCK_SET_BACK, longestWait, PULL_IN_AT_ONCE } from '../../clock/far-due.ts';
import type { Settings } from '../defaults.ts';
import type { InboxKey } from '../inbox-row.ts';
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
};

/**
 * Makes due what is due further ahead than any wait of the library could have made it, as after the database's clock was set back. What is claimed keeps a whole lease.
 * While the clock is right this is one short read for each kind. Indexes tpc_inbox_due and tpc_inbox_report_due.
 *
 * A message whose effects are planned is left alone while nobody has claimed it: its handler may have deferred it for up to a year, so no bound says anything.
 */
export async function pullInFarDue(settings: Settings): Promise<void> {
  const { knex, log } = settings;
  for (const kind of kindsOf(settings)) {
    let total = 0;
    for (;;) {
      if (!(await isAny(knex, kind))) break;
      const count = await pullIn(knex, kind);
      total += count;
      if (count < PULL_IN_AT_ONCE) break;
    }
    if (total > 0) log.warn({ count: total, column: kind.column }, CLOCK_SET_BACK);
  }
}

function kindsOf({ group, subscriptions, handlers, leaseMs, retry, reportRepeatMs }: Settings): Kind[] {
  const topics = [...new Set(subscriptions.map(({ topic }) => topic))];
  const ofTopics = topics.flatMap((topic): Kind[] => {
    const handler = handlers[topic];
    const effects = handler !== undefined && 'effects' in handler;
    const lease = effects ? effectLeaseMs({ leaseMs }, handler) : leaseMs;
    const of = { column: 'due_at', params: [group, topic] } as const;
    const where = 'consumer_group = ? AND topic = ? AND claim IS';
    const claimed: Kind = { ...of, where: `${where} NOT NULL`, longestMs: beyond(lease), insteadMs: lease };
    return effects ? [claimed] : [claimed, { ...of, where: `${where} NULL`, longestMs: beyond(longestWait(retry)), insteadMs: 0 }];
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
function pullIn(knex: Knex, kind: Kind): Promise<number> {
  const { now, forUpdateSkipLocked } = dialectOf(knex);
  const { column, params, longestMs, insteadMs } = kind;
  return inTransaction(knex, async (tx) => {
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
    }
    return count;
  });
}
