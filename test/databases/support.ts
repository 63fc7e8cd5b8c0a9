import knexFactory, { type Knex } from 'knex';
import mysql from 'mysql2/promise';
import { type MariaDb, startMariaDb } from '../support/mariadb.ts';

/** A MariaDB with settings of its own, and a user without the rights of an administrator, as services have it: `init_connect` runs for that one alone. */
export type SetServer = MariaDb & {
  /** Runs statements as administrator. */
  admin(...statements: string[]): Promise<void>;
  /** Makes an empty database and answers with its address for the services' user. */
  database(name: string): Promise<string>;
};

export async function startSetServer(...settings: string[]): Promise<SetServer> {
  const server = await startMariaDb(undefined, settings);
  const admin = async (...statements: string[]) => {
    const connection = await mysql.createConnection(server.url);
    for (const sql of statements) await connection.query(sql);
    await connection.end();
  };
  await admin("CREATE USER 'team'@'127.0.0.1' IDENTIFIED BY 'team'");
  return {
    ...server,
    admin,
    async database(name) {
      await admin(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`, `GRANT ALL ON ${name}.* TO 'team'@'127.0.0.1'`);
      return `${server.url.replace('root@', 'team:team@')}/${name}`;
    },
  };
}

type Session = { query: (sql: string, done: (error: Error | null) => void) => void };

/** A team's own pool: its sessions are as the server makes them, or as the team's `afterCreate` does. */
export function teamPool(url: string, afterCreate?: string, max = 4, multipleStatements = false): Knex {
  const pool = { min: 0, max };
  const connection = { uri: url, multipleStatements } as unknown as Knex.MySql2ConnectionConfig;
  if (afterCreate === undefined) return knexFactory({ client: 'mysql2', connection, pool });
  const prepare = (session: Session, done: (error: Error | null, session: unknown) => void) =>
    session.query(afterCreate, (error) => done(error, session));
  return knexFactory({ client: 'mysql2', connection, pool: { ...pool, afterCreate: prepare } });
}
