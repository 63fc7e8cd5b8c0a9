/**
 * The mail catcher's SQLite file. One process owns it (exclusive lock), so that two catchers never share an inbox by mistake.
 * WAL with synchronous=FULL: what is committed survives a killed process and a lost power supply.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';

/** Marks the file as a mail store ("TPCm"), so that another program's database is refused instead of mixed with. */
const APPLICATION_ID = 0x5450436d;
const SCHEMA_VERSION = 1;
/** How long opening waits for a predecessor to let go of the file; milliseconds. */
const OPEN_TIMEOUT_MS = 2000;

/** Lists read `mail` only; the large columns stand in tables of their own. `*_text` are lower-cased for the search. */
const SCHEMA = `
  CREATE TABLE mail (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    message_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    people TEXT NOT NULL,
    return_path TEXT NOT NULL,
    username TEXT NOT NULL,
    date_at INTEGER,
    received_at INTEGER NOT NULL,
    size INTEGER NOT NULL,
    attachments INTEGER NOT NULL,
    is_read INTEGER NOT NULL DEFAULT 0,
    snippet TEXT NOT NULL,
    list_unsubscribe TEXT NOT NULL,
    from_text TEXT NOT NULL,
    to_text TEXT NOT NULL,
    cc_text TEXT NOT NULL,
    bcc_text TEXT NOT NULL,
    subject_text TEXT NOT NULL
  ) STRICT;
  CREATE INDEX mail_unread ON mail (is_read) WHERE is_read = 0;
  CREATE TABLE mail_content (
    seq INTEGER PRIMARY KEY REFERENCES mail (seq) ON DELETE CASCADE,
    text TEXT NOT NULL,
    html TEXT NOT NULL,
    body_text TEXT NOT NULL,
    raw BLOB NOT NULL
  ) STRICT;
  CREATE TABLE mail_part (
    seq INTEGER NOT NULL REFERENCES mail (seq) ON DELETE CASCADE,
    part_id TEXT NOT NULL,
    file_name TEXT NOT NULL,
    content_type TEXT NOT NULL,
    content_id TEXT NOT NULL,
    inline INTEGER NOT NULL,
    size INTEGER NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (seq, part_id)
  ) STRICT;
`;

/**
 * Opens the file, makes its folder and tables where they are missing.
 * @throws Error with one line that names the file and says what is wrong with it; the reason is its `cause`.
 */
export function openMailDatabase(file: string): Database.Database {
  let db: Database.Database | undefined;
  try {
    mkdirSync(dirname(file), { recursive: true });
    db = new Database(file, { timeout: OPEN_TIMEOUT_MS });
    db.pragma('locking_mode = EXCLUSIVE');
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    db.pragma('foreign_keys = ON');
    db.transaction(ensureSchema).immediate(db);
    return db;
  } catch (error) {
    db?.close();
    throw new Error(`mail store ${file}: ${reasonOf(error)}`, { cause: error });
  }
}

function ensureSchema(db: Database.Database): void {
  const version = db.pragma('user_version', { simple: true }) as number;
  const applicationId = db.pragma('application_id', { simple: true }) as number;
  const { tables } = db.prepare('SELECT count(*) AS tables FROM sqlite_schema').get() as { tables: number };
  if (tables === 0) {
    db.exec(SCHEMA);
    db.pragma(`application_id = ${APPLICATION_ID}`);
    db.pragma(`user_version = ${SCHEMA_VERSION}`);
    return;
  }
  if (applicationId !== APPLICATION_ID) throw new Error('the file is the database of another program');
  if (version !== SCHEMA_VERSION) throw new Error(`the file has schema version ${version}, this program knows ${SCHEMA_VERSION}`);
}

function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: string; message: string };
  if (code === 'SQLITE_BUSY') return 'the file is in use by another process';
  if (code === 'SQLITE_NOTADB') return 'the file is not a SQLite database';
  if (code?.startsWith('SQLITE_READONLY') || code?.startsWith('SQLITE_CANTOPEN')) return `the file cannot be written (${message})`;
  return message;
}
