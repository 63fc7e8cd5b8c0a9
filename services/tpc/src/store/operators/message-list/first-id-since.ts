import { run } from '@tpc/core';
import type { StoreContext } from '../../base/context.ts';

/**
 * How far `created_at` may run back while ids grow, milliseconds. A row's time is the clock at the beginning of its statement, and its id is given a
 * little later; a clock may also be set back a little, or a server with another clock may take over.
 */
export const CLOCK_DISORDER_MS = 60_000;

/** Ids that one statement looks at. */
const PROBES = 16;
/** The answer may be this many ids too high: a list then looks at them in vain. */
const CLOSE_ENOUGH = 1_000;

/**
 * An id from which on no message was first stored before `time`, so that a list of older ones may begin below it. Ids grow with time, so the range of ids
 * is cut into sixteenths until it is small. Index: PRIMARY, 15 rows for each of log16(ids / 1,000) statements.
 * @param time undefined: the end of time
 * @returns undefined when there is no message
 */
export async function firstIdSince({ knex }: Pick<StoreContext, 'knex'>, time = Number.POSITIVE_INFINITY): Promise<number | undefined> {
  const late = time + CLOCK_DISORDER_MS;
  const [last] = (await run<{ id: number; created_at: number }>(knex, 'SELECT id, created_at FROM message ORDER BY id DESC LIMIT 1')).rows;
  if (last === undefined) return undefined;
  if (last.created_at < late) return last.id + 1;
  const [first] = (await run<{ id: number }>(knex, 'SELECT id FROM message ORDER BY id LIMIT 1')).rows;
  let [low, high] = [first?.id ?? last.id, last.id];
  while (high - low > CLOSE_ENOUGH) {
    const ids = between(low, high);
    const times = await timesFrom(knex, ids);
    const firstLate = times.findIndex((created) => created >= late);
    if (firstLate >= 0) high = ids[firstLate] as number;
    low = (firstLate >= 0 ? ids[firstLate - 1] : ids.at(-1)) ?? low;
  }
  return high;
}

/** Ids that cut the range from low to high into equal parts, without the ends. */
function between(low: number, high: number): number[] {
  const step = Math.ceil((high - low) / PROBES);
  return Array.from({ length: PROBES - 1 }, (_, n) => low + (n + 1) * step).filter((id) => id < high);
}

/** The time of the first message from each id on; none: the end of time. */
async function timesFrom(knex: StoreContext['knex'], ids: readonly number[]): Promise<number[]> {
  const looks = ids.map((_, n) => `(SELECT created_at FROM message WHERE id >= ? ORDER BY id LIMIT 1) AS t${n}`);
  const { rows } = await run<Record<string, number | null>>(knex, `SELECT ${looks.join(', ')}`, ids);
  return ids.map((_, n) => rows[0]?.[`t${n}`] ?? Number.POSITIVE_INFINITY);
}
