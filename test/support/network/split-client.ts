import knexFactory, { type Knex } from 'knex';

type Statement = { sql: string };
type Session = { query(sql: string): unknown };
type Client = {
  config: { split: Split };
  _query(session: Session, statement: Statement | string): Promise<unknown>;
};

type Split = {
  /** Names of databases. */
  primary: string;
  replica: string;
  /** A proxy that does not keep transactions together. */
  tearsTransactions?: boolean;
};

/** Sessions with an open transaction. */
const open = new WeakSet<Session>();

const Mysql2Client = knexFactory({ client: 'mysql2' }).client.constructor as new (config: Knex.Config) => Client;

/**
 * knex's client behind a read-write split, as the usual proxies do it: a SELECT that stands alone and outside of a transaction is answered by the replica,
 * all else by the primary. The replica is another database of the same server, of which a test decides how late it is.
 */
class SplitClient extends Mysql2Client {
  override _query(session: Session, statement: Statement | string): Promise<unknown> {
    const sql = typeof statement === 'string' ? statement : statement.sql;
    const { primary, replica, tearsTransactions = false } = this.config.split;
    if ((open.has(session) && !tearsTransactions) || !readsAlone(sql)) {
      note(session, sql);
      return super._query(session, statement);
    }
    // Commands of one session are answered in their order.
    session.query(`USE ${replica}`);
    const answer = super._query(session, statement);
    session.query(`USE ${primary}`);
    return answer;
  }
}

function readsAlone(sql: string): boolean {
  return /^\s*select\b/i.test(sql) && !/;\s*\S/.test(sql) && !/for update|lock in share mode|get_lock|release_lock|@@/i.test(sql);
}

function note(session: Session, sql: string): void {
  const last = sql.match(/\b(begin|start transaction|commit|rollback(?!\s+to)|set autocommit\s*=\s*[01(])/gi)?.at(-1);
  if (last === undefined) return;
  if (/begin|start|=\s*0/i.test(last)) open.add(session);
  else open.delete(session);
}

/**
 * A pool behind a read-write split.
 * @param url of the primary
 * @param split the database that answers what stands alone
 */
export function openSplit(url: string, { multipleStatements, ...split }: Omit<Split, 'primary'> & { multipleStatements: boolean }): Knex {
  return knexFactory({
    client: SplitClient as unknown as typeof Knex.Client,
    connection: { uri: url, supportBigNumbers: true, timezone: 'Z', multipleStatements } as unknown as Knex.MySql2ConnectionConfig,
    split: { ...split, primary: new URL(url).pathname.slice(1) },
    pool: {
      min: 0,
      max: 8,
      afterCreate: (
        session: { query(sql: string, done: (error: Error | null) => void): void },
        done: (error: Error | null, session: unknown) => void,
      ) => session.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED', (error) => done(error, session)),
    },
  } as Knex.Config);
}
