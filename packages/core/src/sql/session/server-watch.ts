import { AsyncLocalStorage } from 'node:async_hooks';
import type { Knex } from 'knex';
import { originOf } from '../lent-connection.ts';
import type { Connection, MysqlClient } from '../types.ts';
import { readSettings } from './checked-sessions.ts';
import { dispose } from './dispose.ts';
import { serverOf } from './settings.ts';

/** What the work has read from one server may not be so on the one that answers now: it has to begin anew. Nothing was sent. */
export class OtherServer extends Error {
  override readonly name = 'OtherServer';
  readonly code = 'OTHER_SERVER';

  constructor() {
    super('another database server answers than the one with which this work began');
  }
}

const MAX_TRIES = 3;
/** A server that answers again so soon has not failed: several stand behind the address, as behind a proxy that spreads reads. Milliseconds. */
const SEVERAL_WITHIN_MS = 600_000;
const watches = new WeakMap<object, ServerWatch>();

/**
 * Notices that another server answers behind a pool's address, as after a failover. The new one may lack what the old one had committed last, and give the
 * numbers of lost rows away again; so what was remembered of rows is forgotten, and the sessions of the old server are ended. Where servers take turns,
 * sessions are left alone: each new one would otherwise end those of the others.
 */
export class ServerWatch {
  readonly #listeners: (() => void)[] = [];
  readonly #generationOfWork = new AsyncLocalStorage<number>();
  readonly #known = new WeakMap<Connection, string>();
  #sessions: WeakRef<Connection>[] = [];
  #server: string | undefined;
  /** When each server last answered a new session, on the clock of `performance.now()`. */
  readonly #answeredAt = new Map<string, number>();
  #generation = 0;

  /** The watch of a pool; made where there is none. SQLite's never sees another server. */
  static of(knex: Knex): ServerWatch {
    const { config } = knex.client as MysqlClient;
    const watch = watches.get(config) ?? new ServerWatch();
    watches.set(config, watch);
    return watch;
  }

  /** Grows whenever what was remembered of rows may be wrong. */
  get generation(): number {
    return this.#generation;
  }

  /** @param forget called at once when what was remembered of rows may be wrong */
  onChange(forget: () => void): void {
    this.#listeners.push(forget);
  }

  /** Whatever was remembered is forgotten, and work under way begins anew. */
  changed(): void {
    this.#generation++;
    for (const forget of this.#listeners) forget();
  }

  /** Does work all of whose statements go to one server. It is done again from its beginning when another has taken over meanwhile. */
  async onOneServer<T>(work: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#generationOfWork.run(this.#generation, work);
      } catch (error) {
        if (!(error instanceof OtherServer) || tries >= MAX_TRIES) throw error;
      }
    }
  }

  /** @throws OtherServer when the work that is about to use this connection has begun with another server */
  async admit(client: MysqlClient, connection: Connection): Promise<void> {
    if (!this.#known.has(originOf(connection))) this.#note(originOf(connection), serverOf(await readSettings(client, connection)));
    const generation = this.#generationOfWork.getStore();
    if (generation !== undefined && generation !== this.#generation) throw new OtherServer();
  }

  #note(connection: Connection, server: string): void {
    const before = this.#server;
    this.#server = server;
    const now = performance.now();
    const takesTurns = now - (this.#answeredAt.get(server) ?? Number.NEGATIVE_INFINITY) < SEVERAL_WITHIN_MS;
    this.#answeredAt.set(server, now);
    if (before !== undefined && before !== server) {
      if (!takesTurns) this.#endSessions();
      this.changed();
    }
    this.#known.set(connection, server);
    this.#sessions = [...this.#sessions.filter((session) => session.deref() !== undefined), new WeakRef(connection)];
  }

  #endSessions(): void {
    for (const session of this.#sessions) endIfAlive(session.deref());
    this.#sessions = [];
  }
}

function endIfAlive(connection: Connection | undefined): void {
  if (connection !== undefined) dispose(connection, new OtherServer());
}

/** The watch of the pool of a client or of its transactions; undefined where nobody watches. */
export function watchOf(client: MysqlClient): ServerWatch | undefined {
  return watches.get(client.config);
}
