import { bodyInPacket, dialectOf, run } from '@tpc/core';
import type { Log } from '@tpc/platform';
import type { Knex } from 'knex';

/** Largest body that the database takes in one statement, bytes; without a bound on SQLite. */
async function largestStorableBody(knex: Knex): Promise<number> {
  if (dialectOf(knex).name === 'sqlite') return Number.POSITIVE_INFINITY;
  const { rows } = await run<{ bytes: number }>(knex, 'SELECT @@max_allowed_packet AS bytes');
  return bodyInPacket(Number(rows[0]?.bytes));
}

/** What TPC takes as the body of a message: as it is set up, and no more than its database takes. */
export class BodyLimit {
  readonly #wanted: number;
  readonly #log: Log;
  #bytes: number;

  constructor(wanted: number, log: Log) {
    this.#wanted = wanted;
    this.#log = log;
    this.#bytes = wanted;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Asks the database again; a server that was changed or exchanged may take less. */
  async read(knex: Knex): Promise<void> {
    try {
      this.#bytes = Math.min(this.#wanted, await largestStorableBody(knex));
    } catch (err) {
      this.#log.debug({ err }, 'max_allowed_packet of the database was not read; the limit on bodies stays as it was');
      return;
    }
    if (this.#bytes === this.#wanted) return;
    const fields = { setting: 'TPC_MAX_BODY_BYTES', wanted: this.#wanted, bytes: this.#bytes };
    this.#log.warn(fields, "the database's max_allowed_packet is too small for the bodies that are allowed: larger ones are refused");
  }
}
