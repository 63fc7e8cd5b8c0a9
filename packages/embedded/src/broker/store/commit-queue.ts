import { NaturalBatcher } from '@tpc/core';
import type Database from 'better-sqlite3';

/** How long one shared transaction may take before it commits, milliseconds; the rest goes into the next. */
const BUDGET_MS = 8;

type Job = () => unknown;

/**
 * All work of one turn of the event loop shares one transaction, since a durable commit costs far more than a row. A caller hears of its
 * work only after the COMMIT; work that throws is undone by itself and does not touch the others'.
 */
export class CommitQueue {
  readonly #db: Database.Database;
  readonly #nested: (job: Job) => unknown;
  readonly #batcher: NaturalBatcher<Job, unknown>;

  constructor(db: Database.Database) {
    this.#db = db;
    this.#nested = db.transaction((job: Job) => job());
    const commit = db.transaction((jobs: readonly Job[]) => this.#runSome(jobs)).immediate;
    this.#batcher = new NaturalBatcher({
      name: 'broker commit',
      flush: async (jobs) => commit(jobs),
      maxQueued: Number.POSITIVE_INFINITY,
      bisect: () => false,
      leavesRest: true,
    });
  }

  /** @returns what `work` returned, once it is durable. `work` must not wait for anything. */
  submit<T>(work: () => T): Promise<T> {
    return this.#batcher.add(work) as Promise<T>;
  }

  /** @returns the results or errors of the first jobs: as many as the budget allows */
  #runSome(jobs: readonly Job[]): unknown[] {
    const outcomes: unknown[] = [];
    const startedAt = performance.now();
    for (const job of jobs) {
      if (outcomes.length > 0 && performance.now() - startedAt >= BUDGET_MS) break;
      outcomes.push(this.#run(job));
    }
    return outcomes;
  }

  #run(job: Job): unknown {
    try {
      return this.#nested(job);
    } catch (error) {
      // A full disk ends the whole transaction, not only the part that met it.
      if (!this.#db.inTransaction) throw error;
      return error instanceof Error ? error : new Error(String(error));
    }
  }
}
