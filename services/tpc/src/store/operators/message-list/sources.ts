import { placeholders, run, type Sql, type SqlValue } from '@tpc/core';
import { MessageState } from '../../../domain/states.ts';
import type { StoreContext } from '../../base/context.ts';
import { LaneKind, laneOf } from '../../base/lanes.ts';
import { Attention } from '../../overdue/attention.ts';
import type { MessageFilter } from '../../store-types.ts';

/** Where the rows of a list are looked for. Each source holds every row that can pass the filter. */
export type Source = {
  index: 'PRIMARY' | 'message_attention' | 'message_lane_due';
  /** Which entries of the index belong to the source; undefined: all. */
  only?: { text: string; params: SqlValue[] };
  /** Conditions one of which holds, each a range of the index that is in the order of ids by itself; undefined: the source is one such range. */
  ranges?: readonly string[];
  /** True: the source holds so few rows that a page looks at them all. False: it is walked over backwards by id, a part for each page. */
  small: boolean;
};

/** Owners whose lanes one statement names. */
const MAX_OWNERS = 100;

/**
 * The smallest source for a filter. What needs attention has an index in the order of ids. The open messages have one too, but in the order of their
 * due times, so it serves while they are few; every other list walks over the messages themselves.
 * @param few how many open messages are few
 */
export async function sourceOf(ctx: StoreContext, filter: MessageFilter, few: number): Promise<Source> {
  if (needsAttention(filter)) return { index: 'message_attention', ranges: attentionsOf(filter), small: false };
  if (onlyOf(filter.states ?? [], OPEN_STATES)) {
    const lanes: Source = { index: 'message_lane_due', only: await lanesOf(ctx, filter), small: true };
    if ((await countUpTo(ctx, lanes, few + 1)) <= few) return lanes;
  }
  return { index: 'PRIMARY', small: false };
}

/** ` FORCE INDEX (…)` or the like: without it the databases now and then choose another index, and then read and sort far more rows. */
export function hintOf({ sql }: Pick<StoreContext, 'sql'>, { index }: Pick<Source, 'index'>): string {
  if (sql.name === 'mysql') return ` FORCE INDEX (${index})`;
  return index === 'PRIMARY' ? ' NOT INDEXED' : ` INDEXED BY ${index}`;
}

/**
 * The newest rows of a source: the newest of each of its ranges, merged, since to sort the ranges together would be to read them all.
 * @param where condition on `message m`
 * @param limit of each range
 */
export function newestOf(
  columns: string,
  from: string,
  where: { text: string; params: readonly SqlValue[] },
  { ranges = ['1 = 1'] }: Pick<Source, 'ranges'>,
  limit: number,
): Sql {
  const one = (range: string) => `SELECT ${columns} FROM ${from} WHERE ${where.text} AND ${range} ORDER BY m.id DESC LIMIT ?`;
  const all = ranges.map((range, place) => `SELECT * FROM (${one(range)}) r${place}`);
  const sql = all.length === 1 ? one(ranges[0] as string) : `${all.join(' UNION ALL ')} ORDER BY id DESC`;
  return { sql, params: ranges.flatMap(() => [...where.params, limit]) };
}

/** Every DEAD row, and every row with a dead copy, needs attention. */
function needsAttention({ attentionOnly, deadCopiesOnly, states = [] }: MessageFilter): boolean {
  return attentionOnly === true || deadCopiesOnly === true || onlyOf(states, [MessageState.DEAD]);
}

/** What is only overdue is neither dead nor has a dead copy. */
function attentionsOf({ deadCopiesOnly, states = [] }: MessageFilter): string[] {
  const dead = deadCopiesOnly === true || onlyOf(states, [MessageState.DEAD]);
  return [Attention.NEEDED, ...(dead ? [] : [Attention.OVERDUE])].map((attention) => `m.attention = ${attention}`);
}

/** Every row in these states stands in a lane. */
const OPEN_STATES: readonly MessageState[] = [MessageState.WAITING_CONFIRM, MessageState.SENDING];

function onlyOf(states: readonly MessageState[], allowed: readonly MessageState[]): boolean {
  return states.length > 0 && states.every((state) => allowed.includes(state));
}

/** The lanes of a producer group's open messages, or all lanes. */
async function lanesOf({ knex, names }: StoreContext, { producerGroup }: MessageFilter): Promise<NonNullable<Source['only']>> {
  const everyLane = { text: 'm.lane >= 0', params: [] };
  if (!producerGroup) return everyLane;
  const groupId = (await names.findProducerGroups([producerGroup])).get(producerGroup) ?? 0;
  const { rows } = await run<{ id: number }>(knex, 'SELECT id FROM message_owner WHERE producer_group_id = ? LIMIT ?', [groupId, MAX_OWNERS + 1]);
  if (rows.length === 0 || rows.length > MAX_OWNERS) return everyLane;
  const lanes = rows.flatMap(({ id }) => [LaneKind.CHECK, LaneKind.PUBLISH, LaneKind.FOLLOW].map((kind) => laneOf(kind, id)));
  return { text: `m.lane IN (${placeholders(lanes.length)})`, params: lanes };
}

async function countUpTo(ctx: StoreContext, source: Source, limit: number): Promise<number> {
  const { text = '1 = 1', params = [] } = source.only ?? {};
  const { rows } = await run<{ n: number }>(
    ctx.knex,
    `SELECT COUNT(*) AS n FROM (SELECT m.lane FROM message m${hintOf(ctx, source)} WHERE ${text} LIMIT ?) counted`,
    [...params, limit],
  );
  return rows[0]?.n ?? 0;
}
