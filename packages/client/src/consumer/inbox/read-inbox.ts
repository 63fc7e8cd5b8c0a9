import { run } from '@tpc/core';
import type { Knex } from 'knex';

/** A row of the inbox as operators see it: without body. Times are UTC milliseconds of the database's clock. */
export type InboxEntry = {
  messageKey: string;
  generation: number;
  /** One of InboxState. */
  state: number;
  producerGroup: string;
  topic: string;
  tag: string;
  attempts: number;
  /** Code of the final failure, or empty. */
  reason: string;
  /** The last failure in words, without personal data, or empty. */
  error: string;
  traceparent: string;
  receivedAt: number;
  finishedAt: number | undefined;
  /** When the handler may have it next; undefined: no more. */
  dueAt: number | undefined;
  /** When TPC has last acknowledged a report on it. */
  reportedAt: number | undefined;
};

export type InboxEffect = {
  effectKey: string;
  /** One of EffectState. */
  state: number;
  attempts: number;
  /** What the outside answered, or empty. */
  result: string;
  reason: string;
  error: string;
  createdAt: number;
  finishedAt: number | undefined;
};

export type InboxDetail = InboxEntry & { effects: InboxEffect[] };

/** Of tpc_inbox, for entryOf. */
export const COLUMNS =
  'message_key, generation, state, producer_group, topic, tag, attempts, reason, last_error, traceparent, received_at, finished_at, due_at, reported_at';

export type Columns = Record<'message_key' | 'producer_group' | 'topic' | 'tag' | 'reason' | 'last_error' | 'traceparent', string> &
  Record<'generation' | 'state' | 'attempts', number> &
  Record<'received_at' | 'finished_at' | 'due_at' | 'reported_at', number | string | null>;

const time = (value: number | string | null) => (value === null ? undefined : Number(value));

export function entryOf(row: Columns): InboxEntry {
  return {
    messageKey: row.message_key,
    generation: row.generation,
    state: row.state,
    producerGroup: row.producer_group,
    topic: row.topic,
    tag: row.tag,
    attempts: row.attempts,
    reason: row.reason,
    error: row.last_error,
    traceparent: row.traceparent,
    receivedAt: Number(row.received_at),
    finishedAt: time(row.finished_at),
    dueAt: time(row.due_at),
    reportedAt: time(row.reported_at),
  };
}

/** The newest generation of a message in a group's inbox, with its effects; undefined when it is not there. Primary key. */
export async function getInbox(db: Knex, key: { group: string; messageKey: string }): Promise<InboxDetail | undefined> {
  const { rows } = await run<Columns>(
    db,
    `SELECT ${COLUMNS} FROM tpc_inbox WHERE consumer_group = ? AND message_key = ? ORDER BY generation DESC LIMIT 1`,
    [key.group, key.messageKey],
  );
  const [row] = rows;
  if (row === undefined) return undefined;
  const effects = await run<
    Record<'effect_key' | 'result' | 'reason' | 'last_error', string> &
      Record<'state' | 'attempts', number> & { created_at: number | string; finished_at: number | string | null }
  >(
    db,
    `SELECT effect_key, state, attempts, result, reason, last_error, created_at, finished_at FROM tpc_inbox_effect
WHERE consumer_group = ? AND message_key = ? AND generation = ? ORDER BY effect_key`,
    [key.group, key.messageKey, row.generation],
  );
  return {
    ...entryOf(row),
    effects: effects.rows.map((effect) => ({
      effectKey: effect.effect_key,
      state: effect.state,
      attempts: effect.attempts,
      result: effect.result,
      reason: effect.reason,
      error: effect.last_error,
      createdAt: Number(effect.created_at),
      finishedAt: time(effect.finished_at),
    })),
  };
}
