import { inspect } from 'node:util';
import knexFactory, { type Knex } from 'knex';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase } from '../../../../test/support/mariadb.ts';
import { redact } from './redact.ts';

const VALUE = 'ann@example.com';
const QUIET = { acquireConnectionTimeout: 50, log: { warn() {}, error() {}, debug() {}, deprecate() {} } };
const shown = (error: unknown) => inspect(redact(error), { depth: null, showHidden: true });

async function failing(db: Knex, sql: string, values: readonly string[] = [VALUE]): Promise<Error> {
  return db.raw(sql, values).then(
    () => expect.unreachable('the statement succeeded'),
    (error: Error) => error,
  );
}

describe.each(['SQLite', 'MariaDB'])('an error of %s', (name) => {
  let db: Knex;
  let server: Awaited<ReturnType<typeof createTestDatabase>> | undefined;
  beforeEach(async () => {
    server = name === 'MariaDB' ? await createTestDatabase() : undefined;
    db = server
      ? knexFactory({ client: 'mysql2', connection: { uri: server.url }, pool: { min: 0, max: 2 }, ...QUIET })
      : knexFactory({ client: 'better-sqlite3', connection: ':memory:', useNullAsDefault: true, pool: { min: 1, max: 1 }, ...QUIET });
    await db.raw('CREATE TABLE person (mail VARCHAR(100) PRIMARY KEY NOT NULL)');
    await db.raw('INSERT INTO person VALUES (?)', [VALUE]);
  });
  afterEach(async () => {
    await db.destroy();
    await server?.drop();
  });

  it.each([
    ['a duplicate', 'INSERT INTO person VALUES (?)', /1062|SQLITE_CONSTRAINT_PRIMARYKEY: UNIQUE constraint failed: person.mail/],
    ['a missing table', 'INSERT INTO persons VALUES (?)', /1146: Table|SQLITE_ERROR: no such table: persons/],
    ['a syntax error', `INSERT INTO person WHAT 'ann@example.com' (?)`, /1064|SQLITE_ERROR/],
  ])('shows code and place of %s, and no value', async (_what, sql, words) => {
    const error = new Error('around', { cause: await failing(db, sql) });
    expect(shown(error)).not.toContain(VALUE);
    expect(shown(error)).toMatch(words);
    expect(shown(error)).toContain('around');
    expect(redact(error)).toMatchObject({ cause: { code: expect.any(String) } });
  });

  it('shows no value of a statement that found no connection, or a lost one', async () => {
    const holders = await Promise.all(Array.from({ length: db.client.pool.max }, () => db.transaction()));
    expect(shown(await failing(db, 'INSERT INTO person VALUES (?)'))).not.toContain(VALUE);
    await Promise.all(holders.map((holder) => holder.rollback()));
    const lost = new Error(`insert into person values ('${VALUE}') - Connection lost`);
    expect(shown(lost)).toContain('database error');
    expect(shown(lost)).not.toContain(VALUE);
  });
});

describe('other errors', () => {
  it('stay what they are', () => {
    const error = new TypeError('x is undefined', { cause: Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }) });
    expect(redact(error)).toBe(error);
    expect(redact('text')).toBe('text');
  });
});
