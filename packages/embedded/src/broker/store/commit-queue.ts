import type Database from 'better-sqlite3';

/** How long one shared transaction may take before it commits, milliseconds; the rest goes into the next. */
const BUDGET_MS = 8;

type Job = { work: () => unknown; resolve(value: never): void; reject(error: unknown): void };

/**
 * All work of one turn of the event loop shares one transaction, since a durable commit costs far more than a row. A caller hears of its
 * work only after the COMMIT; work that throws is undone by itself and does not touch the others'.
 */
export class CommitQueue {
  readonly #db: Database.Database;
  readonly #nested: (work: () => unknown) => unknown;
  readonly #round: (jobs: Job[]) => (() => void)[];
  #jobs: Job[] = [];
  #scheduled = false;

  constructor(db: Database.Database) {
    this.#db = db;
    this.#nested = db.transaction((work: () => unknown) => work());
    this.#round = db.transaction((taken: Job[]) => this.#runRound(taken)).immediate;
  }

  /** @returns what `work` returned, once it is durable. `work` must not wait for anything. */
  submit<T>(work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#jobs.push({ work, resolve: resolve as (value: never) => void, reject });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#commitRound();
      if (this.#jobs.length > 0) this.#schedule();
    });
  }

  #commitRound(): void {
    const taken: Job[] = [];
    let answers: (() => void)[];
    try {
      answers = this.#round(taken);
    } catch (error) {
      const failed = taken.length > 0 ? taken : this.#jobs.splice(0);
      answers = failed.map((job) => () => job.reject(error));
    }
    for (const answer of answers) answer();
  }

  #runRound(taken: Job[]): (() => void)[] {
    const answers: (() => void)[] = [];
    const startedAt = performance.now();
    try {
      while (taken.length < this.#jobs.length && (taken.length === 0 || performance.now() - startedAt < BUDGET_MS)) {
        const job = this.#jobs[taken.length]!;
        taken.push(job);
        answers.push(this.#runJob(job));
      }
    } finally {
      this.#jobs = this.#jobs.slice(taken.length);
    }
    return answers;
  }

  #runJob(job: Job): () => void {
    try {
      const value = this.#nested(job.work) as never;
      return () => job.resolve(value);
    } catch (error) {
      // A full disk ends the whole transaction, not only the part that met it.
      if (!this.#db.inTransaction) throw error;
      return () => job.reject(error);
    }
  }
}
