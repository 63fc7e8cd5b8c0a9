import type { Knex } from 'knex';
import { dialectOf } from '../dialect.ts';
import { originOf } from '../lent-connection.ts';
import type { Connection, MysqlClient } from '../types.ts';
import { sessionFaults } from './faults.ts';
import { ServerStatus, serverStatusOf } from './server-status.ts';
import { type SessionSettings, type SettingRow, SHOW_SETTINGS, settingsOf } from './settings.ts';
import { withinLimit } from './statement-limit.ts';

/** The sessions of this database are such that TPC could not keep its promises. One line for each setting. */
export class UnsuitableSession extends Error {
  constructor(lines: readonly string[]) {
    super(lines.join('\n'));
    this.name = 'UnsuitableSession';
  }
}

/** Pools whose sessions are looked at, by the configuration that knex's client and its transactions share. */
const checkedPools = new WeakSet<object>();
const settings = new WeakMap<object, SessionSettings>();
const admitted = new WeakSet<object>();

/**
 * From here on each session of the pool is looked at once, before its first statement through this package. One that does not suit is ended and never
 * used, whatever made it so: the server, `init_connect`, the pool's `afterCreate`, or another server behind the same address.
 */
export function checkSessionsOf(knex: Knex): void {
  if (dialectOf(knex).name === 'mysql') checkedPools.add(knex.client.config);
}

/** How many sessions that do not suit are ended before the caller is told. Somebody may have left a few of the pool's as they were not lent. */
const MOST_ENDED = 10;

/**
 * Takes a connection of the pool whose session suits.
 * @throws UnsuitableSession when the pool has none, of a pool whose sessions are checked
 */
export async function acquire(client: MysqlClient): Promise<Connection> {
  for (let ended = 1; ; ended++) {
    const connection = await client.acquireConnection();
    try {
      await admit(client, connection);
      return connection;
    } catch (error) {
      await client.releaseConnection(connection);
      if (!(error instanceof UnsuitableSession) || ended > MOST_ENDED) throw error;
    }
  }
}

/**
 * Looks at the answer to a statement outside a transaction: somebody may have switched autocommit off since the session was looked at, or given the connection
 * back with a transaction open. Nothing is committed then, and the session is ended, which rolls back what was written.
 * @throws UnsuitableSession
 */
export function assertCommitted(connection: Connection, answer: unknown): void {
  const why = uncommittedBy(serverStatusOf(answer));
  if (why === undefined) return;
  connection.destroy?.();
  throw new UnsuitableSession([`${why} in this session: what is written outside a transaction would not be committed`]);
}

function uncommittedBy(status: number | undefined): string | undefined {
  if (status === undefined) return undefined;
  if ((status & ServerStatus.AUTOCOMMIT) === 0) return 'autocommit was switched off';
  return (status & ServerStatus.IN_TRANSACTION) === 0 ? undefined : 'a transaction was left open';
}

/** @returns undefined when the connection may be used at once */
function admit(client: MysqlClient, connection: Connection): Promise<void> | undefined {
  if (admitted.has(originOf(connection)) || !checkedPools.has(client.config)) return undefined;
  return look(client, connection);
}

async function look(client: MysqlClient, connection: Connection): Promise<void> {
  const faults = sessionFaults(await readSettings(client, connection));
  if (faults.length > 0) {
    // knex drops a closed connection without a line on the console; the error says it.
    connection.destroy?.();
    throw new UnsuitableSession(faults.map(({ line }) => line));
  }
  admitted.add(originOf(connection));
}

/** Settings of the connection's session as they were when they were first asked for. */
export async function readSettings(client: MysqlClient, connection: Connection): Promise<SessionSettings> {
  const known = settings.get(originOf(connection));
  if (known !== undefined) return known;
  const show = () => client.query(connection, { sql: SHOW_SETTINGS, bindings: [] });
  const [rows] = (await withinLimit(client, connection, show)).response as [SettingRow[]];
  const read = settingsOf(rows);
  settings.set(originOf(connection), read);
  return read;
}

/**
 * A server that is sent more than its max_allowed_packet closes the connection, mostly before its reason is read: the statement is not sent then.
 * @throws Error as the server's own: errno 1153
 */
export function assertFitsPacket(connection: Connection, bytes: number): void {
  const most = Number(settings.get(originOf(connection))?.get('max_allowed_packet') ?? Number.POSITIVE_INFINITY);
  if (bytes <= most) return;
  const message = `a statement of ${bytes} bytes is larger than the max_allowed_packet of the server, ${most} bytes`;
  throw Object.assign(new Error(message), { errno: 1153, code: 'ER_NET_PACKET_TOO_LARGE' });
}
