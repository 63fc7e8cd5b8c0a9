import { run } from '@tpc/core';
import type { Log } from '@tpc/platform';
import type { Knex } from 'knex';
import { createRepeater, type Repeater } from './repeater.ts';

/** How often health is looked at, milliseconds. */
export const HEALTH_EVERY_MS = 1_000;
/** A database that takes longer to answer is not ready, milliseconds. */
export const DATABASE_ANSWER_MS = 3_000;

export type WatchHealthOptions = {
  knex: Knex;
  /** Whether each part outside is there, by its name in grpc.health.v1. */
  parts: () => Readonly<Record<string, boolean>>;
  setHealth: (part: string, serving: boolean) => void;
  log: Log;
};

/**
 * Keeps grpc.health.v1 true. Readiness (the empty name) follows the service's own database alone: while broker, TPC or mail server are away the
 * service goes on taking and keeping work, so each is an entry of its own.
 */
export function createHealthWatch({ knex, parts, setHealth, log }: WatchHealthOptions): Repeater {
  const database = createDatabaseProbe(knex);
  let last: boolean | undefined;
  const pass = async () => {
    const there = await database();
    if (last !== undefined && last !== there) log[there ? 'info' : 'error']({}, there ? 'the database is back' : 'the database does not answer');
    last = there;
    for (const name of ['', 'database']) setHealth(name, there);
    for (const [name, serving] of Object.entries(parts())) setHealth(name, serving);
  };
  return createRepeater({ name: 'health', everyMs: HEALTH_EVERY_MS, pass, log });
}

/** Asks the database for a sign of life. A question that is still open is not asked again, so that a frozen database does not use up the pool. */
function createDatabaseProbe(knex: Knex): () => Promise<boolean> {
  let asked: Promise<boolean> | undefined;
  return async () => {
    asked ??= run(knex, 'SELECT 1').then(
      () => true,
      () => false,
    );
    const question = asked;
    void question.then(() => {
      if (asked === question) asked = undefined;
    });
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, DATABASE_ANSWER_MS, false);
    });
    return Promise.race([question, tooLate]).finally(() => clearTimeout(timer));
  };
}
