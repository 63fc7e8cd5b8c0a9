import type { InboxKey } from './inbox-row.ts';

/** A row of the inbox, as far as an arriving delivery needs to know it. */
export type StoredRow = InboxKey & { state: number; claim: string | null; reason: string; detail: string };

/** What an arriving delivery means to the inbox. */
export type Arrival =
  | { kind: 'new' }
  /** The inbox has it already; it is reported again, in the state that it has there. */
  | { kind: 'duplicate'; stored: StoredRow }
  /** Another delivery of the same batch is the one that counts. */
  | { kind: 'repeated' }
  /** The inbox holds a newer generation; this one is dropped. */
  | { kind: 'older' };

/**
 * Decides on one delivery, given the stored rows of its key.
 * @param stored rows of the same message key, any generation, in any order
 */
export function decideArrival(delivery: InboxKey, stored: readonly StoredRow[]): Arrival {
  if (stored.some((row) => row.generation > delivery.generation)) return { kind: 'older' };
  const same = stored.find((row) => row.generation === delivery.generation);
  return same === undefined ? { kind: 'new' } : { kind: 'duplicate', stored: same };
}

/** What a row found due means. */
export type DueRow =
  /** It had an outcome before, or was never begun: handled with others. */
  | 'ordinary'
  /** A claim has run out without any outcome, so a process may have died of it: handled in isolation. */
  | 'isolated'
  /** So many have died while they handled it in isolation that the message must be the cause. */
  | 'poison';

/** Decides how a due row is handled, by what its last claim left. */
export function decideDueRow(row: { claim: string | null; loneClaims: number }, poisonAfter: number): DueRow {
  if (row.claim === null) return 'ordinary';
  return row.loneClaims >= poisonAfter ? 'poison' : 'isolated';
}
