import { Snowflake } from '@sapphire/snowflake';

/**
 * Snowflake ids: 41 bits of milliseconds, 10 bits of worker, 12 bits of counter.
 *
 * Two processes never make the same id, whatever their clocks do and however long one is frozen: a worker id is leased together
 * with a span of time stamps (`after`, `until`), and spans of one worker id never overlap, because the row of the lease remembers
 * the end of the last one. Outside its span a generator refuses. A clock that goes back does no harm: the time stamp used never does.
 */

/** Start of the time stamps: 2024-01-01 UTC. */
export const ID_EPOCH_MS = Date.UTC(2024, 0, 1);
/** Worker ids: 0 to 1023. */
export const WORKER_IDS = 1024;
const COUNTERS = 4096;

export type IdLease = {
  workerId: number;
  /** Time stamps must be greater. UTC milliseconds. */
  after: number;
  /** Time stamps must not be greater. */
  until: number;
};

/** No id can be made now: no lease, or its span is used up. */
export class NoIdLease extends Error {
  constructor() {
    super('no worker id is leased at the moment, so no id can be made');
    this.name = 'NoIdLease';
  }
}

export type IdGenerator = {
  /** @throws NoIdLease */
  next(): string;
  /** Takes a new or longer lease; undefined: there is none any more. */
  setLease(lease: IdLease | undefined): void;
  /** Highest time stamp used so far, 0 at first. */
  lastUsed(): number;
};

/** @param now UTC milliseconds; may jump */
export function createIdGenerator(now: () => number): IdGenerator {
  const snowflake = new Snowflake(ID_EPOCH_MS);
  let lease: IdLease | undefined;
  let timestamp = 0;
  let counter = 0;
  return {
    next() {
      if (!lease) throw new NoIdLease();
      // A full millisecond borrows from the next one, as a clock that went back does.
      const used = counter < COUNTERS ? timestamp : timestamp + 1;
      const at = Math.max(now(), used, lease.after + 1);
      if (at > lease.until) throw new NoIdLease();
      counter = at === timestamp ? counter + 1 : 1;
      timestamp = at;
      const { workerId } = lease;
      const parts = { timestamp: at, workerId: BigInt(workerId >> 5), processId: BigInt(workerId & 31), increment: BigInt(counter - 1) };
      return snowflake.generate(parts).toString();
    },
    setLease(next) {
      lease = next;
    },
    lastUsed: () => timestamp,
  };
}
