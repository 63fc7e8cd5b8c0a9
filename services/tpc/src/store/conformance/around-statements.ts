import type { Knex } from 'knex';

type Around = <T>(sql: string, work: () => Promise<T>) => Promise<T>;

/** A knex on which each statement that stands in no transaction runs inside `around`, whichever way it takes to the driver. */
export function aroundStatements(knex: Knex, around: Around): Knex {
  const client = Object.create(knex.client) as { query: (connection: unknown, statement: { sql: string }) => Promise<unknown> };
  client.query = (connection, statement) => around(statement.sql, () => knex.client.query(connection, statement));
  return new Proxy(knex, {
    get(target, name) {
      if (name === 'client') return client;
      if (name === 'raw') return (sql: string, params: Knex.RawBinding[]) => around(sql, () => Promise.resolve(target.raw(sql, params)));
      return Reflect.get(target, name);
    },
  });
}
