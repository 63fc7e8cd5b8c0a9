import type { Knex } from 'knex';
import { type BeginningConnection, beginBy, type Opening, openedBy } from './begin.ts';
import { dialectOf } from './dialect.ts';
import { withConnection } from './run.ts';
import { readSettings } from './session/checked-sessions.ts';
import { isReadCommitted } from './session/settings.ts';
import { TransactionEnds } from './session/transaction-ends.ts';
import type { MysqlClient } from './types.ts';

/**
 * Runs `work` in a transaction at READ COMMITTED (SQLite: its one writer is serial anyway). Rolls back and rethrows when `work` or COMMIT fails.
 * @param opening writes that go before those of `work`; where the pool's connections take several statements in a packet, together with its first, so that
 *   `work` may have begun when the check fails. Nothing is committed then, whatever `work` makes of the error.
 */
export function inTransaction<T>(db: Knex, work: (tx: Knex.Transaction) => Promise<T>, opening?: Opening): Promise<T> {
  if (dialectOf(db).name === 'mysql') return mysqlTransaction(db, work, opening);
  return sqliteTransaction(db, (tx) => openedBy(opening, tx, () => work(tx)));
}

/**
 * Where the session's own level is the right one already, as on pools of the services, the round trip that sets it is saved; those of BEGIN and of the opening
 * where the pool's connections take several statements in a packet.
 */
function mysqlTransaction<T>(db: Knex, work: (tx: Knex.Transaction) => Promise<T>, opening: Opening | undefined): Promise<T> {
  const client = db.client as MysqlClient;
  return withConnection(client, async (connection) => {
    const byItself = isReadCommitted(await readSettings(client, connection));
    const beginning = beginBy(db, connection as BeginningConnection, 'BEGIN', opening);
    const config = { connection: beginning.connection, ...(byItself ? {} : { isolationLevel: 'read committed' as const }) };
    const ends = new TransactionEnds(client, connection);
    return await ends.around((own) =>
      db.transaction(
        own((tx) => beginning.around(tx, () => work(tx))),
        config,
      ),
    );
  });
}

/** SQLite keeps a transaction open whose COMMIT failed (a full disk); the pool's only connection would never begin another. */
async function sqliteTransaction<T>(db: Knex, work: (tx: Knex.Transaction) => Promise<T>): Promise<T> {
  const connection = (await db.client.acquireConnection()) as { inTransaction: boolean; exec: (sql: string) => void };
  try {
    return await db.transaction(work, { connection });
  } finally {
    try {
      if (connection.inTransaction) connection.exec('ROLLBACK');
    } finally {
      await db.client.releaseConnection(connection);
    }
  }
}
