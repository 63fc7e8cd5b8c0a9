import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';

/**
 * - `message.id` counts over all topics and is never used again (AUTOINCREMENT): a cursor that is ahead of all rows stays right after
 *   clean-up. The body stands last, so that scans for tag and age do not read it.
 * - `subscription.cursor`: everything up to it has been handed out once to the group, or passed over for its tag.
 * - `delivery`: handed out and not yet acknowledged; from `until` on it is due again.
 */
const SCHEMA = `
CREATE TABLE IF NOT EXISTS topic (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS consumer_group (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS message (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  topic_id INTEGER NOT NULL,
  tag TEXT NOT NULL,
  stored_at INTEGER NOT NULL,
  envelope BLOB NOT NULL,
  body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS message_by_topic ON message (topic_id, id, tag);
CREATE TABLE IF NOT EXISTS subscription (
  group_id INTEGER NOT NULL,
  topic_id INTEGER NOT NULL,
  cursor INTEGER NOT NULL,
  PRIMARY KEY (group_id, topic_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS subscription_by_topic ON subscription (topic_id, cursor);
CREATE TABLE IF NOT EXISTS delivery (
  group_id INTEGER NOT NULL,
  message_id INTEGER NOT NULL,
  topic_id INTEGER NOT NULL,
  until INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  nonce INTEGER NOT NULL,
  PRIMARY KEY (group_id, message_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (group_id, topic_id, until);
CREATE INDEX IF NOT EXISTS delivery_by_message ON delivery (message_id);
`;

/** Of the tables above; a file of a newer broker is not touched. */
const SCHEMA_VERSION = 1;

/** How long to wait for a process that is just ending and still holds the file, milliseconds. */
const LOCK_WAIT_MS = 2_000;

/**
 * Opens the broker's file, and makes it where it is missing.
 * @throws Error whose message names the file
 */
export function openDatabase(file: string): Database.Database {
  try {
    mkdirSync(dirname(file), { recursive: true });
    const db = new Database(file, { timeout: LOCK_WAIT_MS });
    try {
      // One process per file: a second one is refused here, not surprised later.
      db.pragma('locking_mode = EXCLUSIVE');
      db.pragma('journal_mode = WAL');
      // What was answered must survive the loss of power, too.
      db.pragma('synchronous = FULL');
      db.pragma('journal_size_limit = 67108864');
      const version = db.pragma('user_version', { simple: true }) as number;
      if (version > SCHEMA_VERSION) throw new Error(`it was written by a newer version (${version}, this one knows ${SCHEMA_VERSION})`);
      db.exec(`BEGIN IMMEDIATE; ${SCHEMA} PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT;`);
      return db;
    } catch (error) {
      db.close();
      throw error;
    }
  } catch (error) {
    const code = (error as { code?: string }).code ?? '';
    const why = code.startsWith('SQLITE_BUSY') ? 'another process has it open' : (error as Error).message;
    throw new Error(`the embedded broker cannot use its file ${file}: ${why}`, { cause: error });
  }
}
