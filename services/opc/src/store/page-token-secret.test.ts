import { migrate } from '@tpc/core';
import { openDatabase } from '@tpc/platform';
import { expect, it } from 'vitest';
import { createTestDatabase } from '../../../../test/support/mariadb.ts';
import { opcMigrations } from './migrations/index.ts';
import { readOrCreatePageTokenSecret } from './page-token-secret.ts';

it('is one for all processes, also of those that start at once', async () => {
  const database = await createTestDatabase('opc');
  const pools = [openDatabase({ url: database.url }), openDatabase({ url: database.url })];
  try {
    for (const knex of pools) await migrate(knex, opcMigrations);
    const secrets = await Promise.all([...pools, ...pools].map((knex) => readOrCreatePageTokenSecret(knex)));
    expect(secrets[0]).toHaveLength(32);
    expect(new Set(secrets.map((secret) => secret.toString('hex'))).size).toBe(1);
  } finally {
    for (const knex of pools) await knex.destroy();
    await database.drop();
  }
});

it('outlives a restart on SQLite', async () => {
  const knex = openDatabase({ url: 'sqlite::memory:' });
  await migrate(knex, opcMigrations);
  expect(await readOrCreatePageTokenSecret(knex)).toEqual(await readOrCreatePageTokenSecret(knex));
  await knex.destroy();
});
