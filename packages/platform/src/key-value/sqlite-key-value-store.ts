import { dirname, resolve } from 'node:path';
import Database from 'better-sqlite3';
import { assertWritable } from '../sql/open-database.ts';
import type { KeyValueStore } from './key-value-store.ts';

/** Expired rows are swept after this many writes. */
const SWEEP_EVERY = 500;

/** The key-value store of embedded mode: one SQLite table. A loss at a power cut is allowed, so it does not sync each write. */
export function openSqliteKeyValueStore(file: string, now: () => number = Date.now): KeyValueStore {
  if (file !== ':memory:') assertWritable(dirname(resolve(file)));
  const db = new Database(file);
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = NORMAL');
  db.exec('CREATE TABLE IF NOT EXISTS key_value (key TEXT PRIMARY KEY, value TEXT NOT NULL, expires_at INTEGER NOT NULL) WITHOUT ROWID');
  const select = db.prepare('SELECT value FROM key_value WHERE key = ? AND expires_at > ?').pluck();
  const upsert = db.prepare(
    'INSERT INTO key_value VALUES (?, ?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at',
  );
  const count = db
    .prepare(
      `INSERT INTO key_value VALUES (?, '1', ?) ON CONFLICT(key) DO UPDATE SET
         value = CASE WHEN expires_at > ? THEN CAST(CAST(value AS INTEGER) + 1 AS TEXT) ELSE '1' END,
         expires_at = CASE WHEN expires_at > ? THEN expires_at ELSE excluded.expires_at END
       RETURNING value`,
    )
    .pluck();
  const remove = db.prepare('DELETE FROM key_value WHERE key = ?');
  const sweep = db.prepare('DELETE FROM key_value WHERE expires_at <= ?');
  const opened = Date.now();
  let writes = 0;
  const written = () => {
    if (++writes % SWEEP_EVERY === 0) sweep.run(now());
  };
  return {
    get: async (key) => select.get(key, now()) as string | undefined,
    set: async (key, value, ttlMs) => {
      upsert.run(key, value, now() + ttlMs);
      written();
    },
    increment: async (key, ttlMs) => {
      const at = now();
      const value = Number(count.get(key, at + ttlMs, at, at));
      written();
      return value;
    },
    delete: async (key) => {
      remove.run(key);
    },
    state: () => ({ connected: true, error: '', since: opened }),
    close: async () => {
      db.close();
    },
  };
}
