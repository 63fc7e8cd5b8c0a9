import knexFactory from 'knex';
import { expect, it } from 'vitest';
import { createLog } from './log.ts';

it('logs an error of the database without the values of its statement, at any depth', async () => {
  const db = knexFactory({ client: 'better-sqlite3', connection: ':memory:', useNullAsDefault: true });
  const cause = await db.raw('INSERT INTO person VALUES (?)', ['ann@example.com']).catch((error: Error) => error);
  await db.destroy();
  const lines: string[] = [];
  const log = createLog({ service: 'test', level: 'trace', format: 'json' }, { write: (line) => lines.push(line) });
  log.error({ err: cause }, 'failed');
  log.child({ part: 'a' }).warn({ err: new Error('around', { cause }) }, 'failed');
  expect(lines).toHaveLength(2);
  for (const line of lines) {
    expect(line).toContain('no such table: person');
    expect(line).not.toContain('ann@example.com');
  }
});
