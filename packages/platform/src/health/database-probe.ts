import { run } from '@tpc/core';
import type { Knex } from 'knex';

/** A database that takes longer to answer is not ready, milliseconds. */
export const DATABASE_ANSWER_MS = 3_000;

/**
 * Asks a database for a sign of life, however many want to know. A question that is still open is not asked again, so that a frozen database does not
 * use up the pool.
 * @returns whether it answered in time
 */
export function createDatabaseProbe(knex: Knex, answerMs = DATABASE_ANSWER_MS): () => Promise<boolean> {
  let asked: Promise<boolean> | undefined;
  return async () => {
    asked ??= run(knex, 'SELECT 1')
      .then(
        () => true,
        () => false,
      )
      .finally(() => {
        asked = undefined;
      });
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, answerMs, false);
    });
    return Promise.race([asked, tooLate]).finally(() => clearTimeout(timer));
  };
}
