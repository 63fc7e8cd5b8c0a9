import type { Knex } from 'knex';
import { timerMs } from '../../time.ts';
import type { Connection, MysqlClient } from '../types.ts';
import { dispose, disposeIfUseless } from './dispose.ts';

/** By the configuration that knex's client and its transactions share, milliseconds. */
const limits = new WeakMap<object, number>();

/**
 * Ends a connection of this pool on which the server leaves a statement of this package unanswered for so long: its host has vanished, or the way to it broke
 * without a word, and TCP itself would wait for a quarter of an hour. The statement then fails as one whose connection was lost. Of several users of one pool
 * the shortest limit holds. Migrations go by knex alone and take as long as they take.
 */
export function limitStatements(knex: Knex, limitMs: number): void {
  const { config } = knex.client as MysqlClient;
  limits.set(config, Math.min(limitMs, limits.get(config) ?? limitMs));
}

/** Within the pool's limit, and below the time after which knex itself gives a ROLLBACK up and its connection back, milliseconds. */
export const ROLLBACK_LIMIT_MS = 4_000;

/** Runs a statement within the pool's limit and the given one; one whose error tells that its connection is useless is the last on it. */
export async function withinLimit<T>(client: MysqlClient, connection: Connection, work: () => Promise<T>, atMostMs?: number): Promise<T> {
  const stop = startLimit(client, connection, atMostMs);
  try {
    return await work();
  } catch (error) {
    if (connection.stream !== undefined) disposeIfUseless(connection, error);
    throw error;
  } finally {
    stop();
  }
}

/** The limit runs from now until what is returned is called. */
export function startLimit(client: MysqlClient, connection: Connection, atMostMs = Number.POSITIVE_INFINITY): () => void {
  const limitMs = Math.min(atMostMs, limits.get(client.config) ?? Number.POSITIVE_INFINITY);
  // SQLite's connection is the database, and its statements are done when they return.
  if (limitMs === Number.POSITIVE_INFINITY || connection.stream === undefined) return () => undefined;
  const timer = setTimeout(() => dispose(connection, new Error(`the database has not answered for ${limitMs} ms`)), timerMs(limitMs));
  return () => clearTimeout(timer);
}
