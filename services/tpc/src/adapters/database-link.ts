import { classifySqlError, isTransient, type Migrations, type RetryPolicy, waitBeforeRetry, withDeadline } from '@tpc/core';
import { bringUpToDate, judgeDatabaseFailure, type Log, type MigrateMode, probeWrite, type Running, SchemaBehind, schemaOf } from '@tpc/platform';
import type { Knex } from 'knex';

/** Waits between tries to reach an absent database at start. */
const CONNECT_WAITS: RetryPolicy = { firstWaitMs: 200, factor: 2, maxWaitMs: 5_000, jitter: 0.2, maxAttempts: undefined };
/** How often the database is asked for a sign of life, milliseconds. */
const PING_MS = 1_000;
/** Signs of life that must be missed before the service says that it is not ready: one may be a single lost connection. */
const MISSED_PINGS = 2;
/** A sign of life must come within this time, milliseconds. */
const PING_LIMIT_MS = 3_000;

export type DatabaseLinkOptions = {
  knex: Knex;
  migrations: Migrations;
  /** `auto`: brings the schema up to date; `check`: only compares; `wait`: waits until another has brought it up to date. */
  mode: MigrateMode;
  /** Name of the setting with the address, for error lines. */
  setting: string;
  /** That address. */
  url: string;
  log: Log;
  /** Told once, when the database is there with its schema. Awaited before `onReady(true)`. */
  onFirstReady: () => void;
  /** Told at each change. */
  onReady: (ready: boolean) => void;
};

/**
 * Brings the service and its database together, and watches that they stay so. An absent database is waited for with a growing wait; a wrong setting
 * is refused.
 * @returns after the first try, whether the database was there or not
 * @throws StartError when the database refuses what the settings say, or lacks migrations that it may not make
 */
export async function connectDatabase(options: DatabaseLinkOptions): Promise<Running> {
  const link = new DatabaseLink(options);
  try {
    await prepare(options);
    link.found();
  } catch (error) {
    const wrong = await judgeDatabaseFailure(error, options);
    if (wrong) throw wrong;
    if (error instanceof SchemaBehind) options.log.warn({ reason: error.message }, 'the database lacks migrations; waiting for them');
    else options.log.warn({ err: error }, 'database not reached; trying again');
    link.search();
  }
  return link;
}

/** A packet that is too small starts TPC all the same: it takes smaller bodies then, and says so to producers. */
async function prepare({ knex, migrations, mode, setting, log }: DatabaseLinkOptions): Promise<void> {
  await bringUpToDate(knex, { setting, mode, schemas: [schemaOf(migrations)], log });
}

class DatabaseLink implements Running {
  readonly #options: DatabaseLinkOptions;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  #missed = 0;
  #ready = false;
  #underway: Promise<void> = Promise.resolve();
  /** The last question that has no answer yet: a silent database is not asked again, which would only take one connection after the other. */
  #asked: Promise<unknown> | undefined;

  constructor(options: DatabaseLinkOptions) {
    this.#options = options;
  }

  found(): void {
    if (this.#stopped) return;
    this.#options.onFirstReady();
    this.#tell(true);
    this.#after(PING_MS, () => this.#ping());
  }

  search(failures = 1): void {
    this.#after(waitBeforeRetry(CONNECT_WAITS, failures, Math.random()), async () => {
      try {
        await prepare(this.#options);
        this.found();
      } catch (err) {
        // Also what an operator must mend: the service is up and says NOT_SERVING, so it can be mended while it waits.
        const passes = err instanceof SchemaBehind || isTransient(classifySqlError(err));
        this.#options.log[passes ? 'debug' : 'error']({ err }, 'database not ready; trying again');
        this.search(failures + 1);
      }
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#underway;
  }

  async #ping(): Promise<void> {
    try {
      await this.#ask();
      this.#missed = 0;
      this.#tell(true);
    } catch (err) {
      this.#missed++;
      this.#options.log.debug({ err }, 'no sign of life from the database');
      if (this.#missed >= MISSED_PINGS) this.#tell(false);
    }
    this.#after(PING_MS, () => this.#ping());
  }

  /** @throws when the database does not take a write in time */
  async #ask(): Promise<void> {
    const { knex, migrations } = this.#options;
    this.#asked ??= probeWrite(knex, migrations.tableName).finally(() => {
      this.#asked = undefined;
    });
    await withDeadline(this.#asked, PING_LIMIT_MS, () => {
      throw new Error(`no answer within ${PING_LIMIT_MS} ms`);
    });
  }

  #tell(ready: boolean): void {
    if (this.#ready === ready) return;
    this.#ready = ready;
    if (ready) this.#options.log.info('database ready');
    else this.#options.log.warn('database does not answer, or takes no writes');
    this.#options.onReady(ready);
  }

  #after(ms: number, work: () => Promise<void>): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#underway = work();
    }, ms);
  }
}
