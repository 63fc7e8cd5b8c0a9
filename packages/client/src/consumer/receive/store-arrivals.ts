import { classifySqlError } from '@tpc/core';
import type { Knex } from 'knex';
import { type Arrival, decideArrival, type StoredRow } from '../domain/decide-arrival.ts';
import type { InboxKey } from '../domain/inbox-row.ts';
import { markSuperseded } from '../store/claim-inbox.ts';
import { insertInbox, type NewInboxRow, readNewerRows, readStoredRows } from '../store/insert-inbox.ts';

export type StoreTimes = { leaseMs: number; reportAfterMs: number };

const nameOf = (key: InboxKey) => `${key.generation}/${key.messageKey}`;

/**
 * Stores a batch of deliveries and tells for each what it was. In the usual case two statements for all, in one packet where that can be had: one
 * INSERT, and one look for newer generations, after it, so that of two generations stored at once by two instances the older one always sees the
 * newer. On a duplicate the INSERT is rolled back as a whole; what is there already is read, the rest inserted, and singly if a second duplicate
 * comes in between. May be repeated after a lost answer: a row with our own token is ours.
 */
export async function storeArrivals(db: Knex, group: string, items: readonly NewInboxRow[], times: StoreTimes): Promise<Arrival[]> {
  const distinct = [...new Map(items.map((item) => [nameOf(item.row), item])).values()];
  const arrivals = new Map<string, Arrival>();
  const newer = await tryInsert(db, group, distinct, times);
  if (newer === undefined) await storeRest(db, group, distinct, times, arrivals);
  await dropOlder(db, group, distinct, arrivals, newer);
  const owners = new Set(distinct);
  return items.map((item) => {
    const arrival = arrivals.get(nameOf(item.row)) ?? { kind: 'new' };
    return arrival.kind === 'new' && !owners.has(item) ? { kind: 'repeated' } : arrival;
  });
}

async function storeRest(db: Knex, group: string, items: readonly NewInboxRow[], times: StoreTimes, arrivals: Map<string, Arrival>): Promise<void> {
  const judge = async (candidates: readonly NewInboxRow[]) => {
    const stored = await readStoredRows(
      db,
      group,
      candidates.map((item) => item.row.messageKey),
    );
    return candidates.filter((item) => {
      const arrival = decideArrival(item.row, ofKey(stored, item.row));
      // Our own token: an earlier try did store it, and its answer was lost.
      const ours = arrival.kind === 'duplicate' && item.claim !== undefined && arrival.stored.claim === item.claim;
      arrivals.set(nameOf(item.row), ours ? { kind: 'new' } : arrival);
      return arrival.kind === 'new';
    });
  };
  const rest = await judge(items);
  if (rest.length === 0 || (await tryInsert(db, group, rest, times)) !== undefined) return;
  for (const item of rest) {
    if ((await tryInsert(db, group, [item], times)) === undefined) await judge([item]);
  }
}

/** @returns newer generations of them; undefined when one of them is there already: nothing was stored then */
async function tryInsert(db: Knex, group: string, items: readonly NewInboxRow[], times: StoreTimes): Promise<StoredRow[] | undefined> {
  try {
    return await insertInbox(db, group, items, times);
  } catch (error) {
    if (classifySqlError(error) === 'duplicate') return undefined;
    throw error;
  }
}

/** @param newer newer generations, where all of these have been stored at once; undefined: they are read */
async function dropOlder(
  db: Knex,
  group: string,
  items: readonly NewInboxRow[],
  arrivals: Map<string, Arrival>,
  newer: readonly StoredRow[] | undefined,
): Promise<void> {
  const fresh = items.map((item) => item.row).filter((row) => (arrivals.get(nameOf(row))?.kind ?? 'new') === 'new');
  if (fresh.length === 0) return;
  const stored = newer ?? (await readNewerRows(db, group, fresh));
  const older = fresh.filter((row) => decideArrival(row, ofKey(stored, row)).kind === 'older');
  for (const row of older) arrivals.set(nameOf(row), { kind: 'older' });
  await markSuperseded(db, group, older);
}

function ofKey(stored: readonly StoredRow[], key: InboxKey): StoredRow[] {
  return stored.filter((row) => row.messageKey === key.messageKey);
}
