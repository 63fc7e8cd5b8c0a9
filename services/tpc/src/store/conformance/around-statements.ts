import { lend } from '@tpc/core';
import type { Knex } from 'knex';

type Around = <T>(sql: string, work: () => Promise<T>) => Promise<T>;

/**
 * A knex on which each statement that stands in no transaction runs inside `around`, whichever way it takes to the driver; on MySQL and MariaDB, whose
 * packets hold several, also those within one, and on SQLite a transaction's COMMIT.
 */
export function aroundStatements(knex: Knex, around: Around): Knex {
  const client = lend(knex.client, {
    query: (connection: { inTransaction?: boolean }, statement: { sql: string }) => {
      const query = () => knex.client.query(connection, statement);
      return connection.inTransaction === true && statement.sql !== 'COMMIT' ? query() : around(statement.sql, query);
    },
  });
  return new Proxy(knex, {
    get(target, name) {
      if (name === 'client') return client;
      if (name === 'raw') return (sql: string, params: Knex.RawBinding[]) => around(sql, () => Promise.resolve(target.raw(sql, params)));
      return Reflect.get(target, name);
    },
  });
}
