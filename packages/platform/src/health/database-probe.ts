import { run, withDeadline } from '@tpc/core';
import type { Knex } from 'knex';

/** A database that takes longer to answer is not ready, milliseconds. */
export const DATABASE_ANSWER_MS = 3_000;

/**
 * A sign of life that takes a write: a server that has become read-only (a demoted primary, for example) answers every SELECT, while everything that the
 * service is there for fails. No row is changed, so nothing is written to the log or sent to replicas.
 * @param table one that is there and has a column `name`, such as that of the migrations
 * @throws what the database answers
 */
export async function probeWrite(knex: Knex, table: string): Promise<void> {
  await run(knex, `UPDATE ${table} SET name = name WHERE 1 = 0`);
}

/**
 * Asks a database for a sign of life, however many want to know. A question that is still open is not asked again, so that a frozen database does not
 * use up the pool.
 * @param table see probeWrite
 * @returns whether it took the write in time
 */
export function createDatabaseProbe(knex: Knex, table: string, answerMs = DATABASE_ANSWER_MS): () => Promise<boolean> {
  let asked: Promise<boolean> | undefined;
  return async () => {
    asked ??= probeWrite(knex, table)
      .then(
        () => true,
        () => false,
      )
      .finally(() => {
        asked = undefined;
      });
    return withDeadline(asked, answerMs, () => false);
  };
}
