import { classifySqlError } from '@tpc/core';
import type { Knex } from 'knex';
import { type Arrival, decideArrival, type StoredRow } from './decide-arrival.ts';
import type { InboxKey } from './inbox-row.ts';
import { markSuperseded } from './store/claim-inbox.ts';
import { insertInbox, type NewInboxRow, readStoredRows } from './store/insert-inbox.ts';

export type StoreTimes = { leaseMs: number; reportAfterMs: number };

const nameOf = (key: InboxKey) => `${key.generation}/${key.messageKey}`;

/**
 * Stores a batch of deliveries and tells for each what it was. In the usual case two statements for all: one INSERT, and one look for newer
 * generations, after it, so that of two generations stored at once by two instances the older one always sees the newer. On a duplicate the
 * INSERT is rolled back as a whole; what is there already is read, the rest inserted, and singly if a second duplicate comes in between.
 * May be repeated after a lost answer: a row with our own token is ours.
 */
export async function storeArrivals(db: Knex, group: string, items: readonly NewInboxRow[], times: StoreTimes): Promise<Arrival[]> {
  const distinct = [...new Map(items.map((item) => [nameOf(item.row), item])).values()];
  const arrivals = new Map<string, Arrival>();
  if (!(await tryInsert(db, group, distinct, times))) await storeRest(db, group, distinct, times, arrivals);
  await dropOlder(db, group, distinct, arrivals);
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
  if (rest.length === 0 || (await tryInsert(db, group, rest, times))) return;
  for (const item of rest) {
    if (!(await tryInsert(db, group, [item], times))) await judge([item]);
  }
}

/** @returns false when one of them is there already; nothing was stored then */
async function tryInsert(db: Knex, group: string, items: readonly NewInboxRow[], times: StoreTimes): Promise<boolean> {
  try {
    await insertInbox(db, group, items, times);
    return true;
  } catch (error) {
    if (classifySqlError(error) === 'duplicate') return false;
    throw error;
  }
}

async function dropOlder(db: Knex, group: string, items: readonly NewInboxRow[], arrivals: Map<string, Arrival>): Promise<void> {
  const fresh = items.map((item) => item.row).filter((row) => (arrivals.get(nameOf(row))?.kind ?? 'new') === 'new');
  if (fresh.length === 0) return;
  const lowest = Math.min(...fresh.map((row) => row.generation));
  const newer = await readStoredRows(
    db,
    group,
    fresh.map((row) => row.messageKey),
    lowest + 1,
  );
  const older = fresh.filter((row) => decideArrival(row, ofKey(newer, row)).kind === 'older');
  for (const row of older) arrivals.set(nameOf(row), { kind: 'older' });
  await markSuperseded(db, group, older);
}

function ofKey(stored: readonly StoredRow[], key: InboxKey): StoredRow[] {
  return stored.filter((row) => row.messageKey === key.messageKey);
}
