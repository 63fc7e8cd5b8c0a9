import knexFactory, { type Knex } from 'knex';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase } from '../../../../test/support/mariadb.ts';
import { inTransaction } from './in-transaction.ts';
import { deferWrite, inPacketTransaction, runTogether } from './packet-transaction.ts';
import { run } from './run.ts';
import type { SqlValue } from './types.ts';

const MODES = ['', 'NO_BACKSLASH_ESCAPES', 'ANSI_QUOTES', 'PIPES_AS_CONCAT', 'ORACLE', 'ORACLE,NO_BACKSLASH_ESCAPES'] as const;

/** Values that would be read as SQL, or changed, where a session takes quotes or backslashes in its own way. */
const TEXTS = [
  "o'brien",
  "x'||1#",
  "x\\'||1#",
  "\\'",
  '\\',
  '\\\\',
  "'",
  "''",
  '"',
  '{"a":"b\\n"}',
  '`',
  'a\nb\rc\td\0e\u001a',
  '%_\\%',
  '',
  '\\名字',
  "名'字",
  '?',
];

type Session = { query: (sql: string, done: (error: Error | null) => void) => void };

describe.each(MODES)('values on a session whose sql_mode is "%s"', (mode) => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  let db: Knex;
  let known = true;
  beforeAll(async () => {
    database = await createTestDatabase();
    db = knexFactory({
      client: 'mysql2',
      connection: { uri: database.url, multipleStatements: true } as Knex.MySql2ConnectionConfig,
      pool: {
        min: 0,
        max: 1,
        afterCreate: (session: Session, done: (error: Error | null, session: unknown) => void) =>
          session.query(`SET SESSION sql_mode = '${mode}'`, (error) => {
            known = error === null; // ORACLE is MariaDB's alone
            done(null, session);
          }),
      },
    });
    await run(db, 'CREATE TABLE words (id INT PRIMARY KEY AUTO_INCREMENT, word VARCHAR(200) COLLATE utf8mb4_bin, UNIQUE (word))');
  });
  afterAll(async () => {
    await db.destroy();
    await database.drop();
  });

  const words = async () => {
    const { rows } = await run<{ word: string }>(db, 'SELECT word FROM words ORDER BY id');
    await run(db, 'DELETE FROM words');
    return rows.map(({ word }) => word);
  };
  const INSERT = 'INSERT INTO words (word) VALUES (?)';

  it('are stored as they are, and found by themselves alone', async ({ skip }) => {
    if (!known) skip();
    for (const text of TEXTS) await run(db, INSERT, [text]);
    for (const text of TEXTS) expect((await run(db, 'SELECT word FROM words WHERE word = ?', [text])).rows).toEqual([{ word: text }]);
    expect(await words()).toEqual(TEXTS);
  });

  it('are so in every kind of transaction', async ({ skip }) => {
    if (!known || mode.includes('ORACLE')) skip(); // BEGIN begins a block there, so no pool may have that mode
    const [first, ...others] = TEXTS as [string, ...string[]];
    const opening = { statements: [{ sql: INSERT, params: [first] as SqlValue[] }], check: () => undefined };
    await inTransaction(db, async (tx) => void (await Promise.all(others.map((text) => run(tx, INSERT, [text])))), opening);
    expect((await words()).sort()).toEqual([...TEXTS].sort());
    await inPacketTransaction(db, async (tx) => {
      await runTogether(
        tx,
        others.map((text) => ({ sql: INSERT, params: [text] })),
      );
      await deferWrite(tx, INSERT, [first]);
    });
    expect(await words()).toEqual([...others, first]);
    await runTogether(
      db,
      TEXTS.map((text) => ({ sql: INSERT, params: [text] })),
    );
    expect(await words()).toEqual(TEXTS);
  });
});
