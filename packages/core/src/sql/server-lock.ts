import type { Knex } from 'knex';
import { withConnection } from './run.ts';
import { dispose } from './session/dispose.ts';
import { withinLimit } from './session/statement-limit.ts';
import type { Connection, MysqlClient, Sql } from './types.ts';

/**
 * Works under an advisory lock of MySQL or MariaDB, which is gone when its session is, so a killed process leaves nothing behind. The session that holds it
 * has no transaction open meanwhile: the server ends one that idles, and the lock with it, while the work goes on.
 * @param lock an expression for the lock's name, and its values
 * @throws Error with `refusal` when another holds the lock for longer than `waitS`
 */
export async function underServerLock<T>(
  knex: Knex,
  { lock, waitS, refusal }: { lock: Sql; waitS: number; refusal: string },
  work: () => Promise<T>,
): Promise<T> {
  const client = knex.client as MysqlClient;
  return withConnection(client, async (holder) => {
    // Not by `run`, whose time limit is shorter than this may wait.
    const ask = async (connection: Connection, sql: string, after: readonly number[] = []) =>
      ((await client.query(connection, { sql, bindings: [...lock.params, ...after] })).response as [{ answer: number | null }[]])[0][0]?.answer;
    if (Number(await ask(holder, `SELECT GET_LOCK(${lock.sql}, ?) AS answer`, [waitS])) !== 1) throw new Error(refusal);
    try {
      return await work();
    } finally {
      await withinLimit(client, holder, () => ask(holder, `SELECT RELEASE_LOCK(${lock.sql}) AS answer`)).catch((error: unknown) =>
        dispose(holder, error),
      );
    }
  });
}
