import type { Knex } from 'knex';
import { DEFAULT_MAX_BODY_BYTES } from '../../contract/limits.ts';
import type { Queryable } from '../database.ts';
import { dialectOf } from '../dialect.ts';
import { packetForBody } from '../packet-size.ts';
import { inPacketTransaction } from '../packet-transaction.ts';
import { run, withConnection } from '../run.ts';
import type { MysqlClient } from '../types.ts';
import { readSettings } from './checked-sessions.ts';
import { type SessionFault, sessionFaults } from './faults.ts';
import type { SessionSettings } from './settings.ts';

/** Something about a database that a person should know of before it is used. */
export type DatabaseFinding = SessionFault & {
  /** True: TPC could not keep its promises, so nothing starts on it. False: it can, and somebody may want to change it. */
  refuses: boolean;
};

/** Every database must take the largest body that TPC takes by default. Bytes. */
const LEAST_PACKET = packetForBody(DEFAULT_MAX_BODY_BYTES);

/**
 * Looks at a database as it is reached by this pool: the settings of its sessions, the largest packet, and whether what is written is read back from
 * the same server. The services, the library and `npm run doctor` ask this one function.
 * @throws what the database answers; UnsuitableSession of a pool whose sessions are checked
 */
export async function databaseFindings(knex: Knex): Promise<DatabaseFinding[]> {
  if (dialectOf(knex).name !== 'mysql') return [];
  const client = knex.client as MysqlClient;
  const settings = await withConnection(client, (connection) => readSettings(client, connection));
  const writer = await inPacketTransaction(knex, identify);
  const faults = sessionFaults(settings).map((fault) => ({ ...fault, refuses: true }));
  return [...faults, ...packetFindings(settings), ...readsElsewhere(writer, await identify(knex))];
}

function packetFindings(settings: SessionSettings): DatabaseFinding[] {
  const setting = 'max_allowed_packet';
  const bytes = Number(settings.get(setting) ?? LEAST_PACKET);
  if (bytes >= LEAST_PACKET) return [];
  const line = `${setting} is ${bytes}: a message of 1 MiB could not be stored; set it to ${LEAST_PACKET} or more`;
  return [{ setting, line, refuses: true }];
}

/** By a table, since proxies that send SELECTs to a replica often leave `SELECT @@…` and SHOW on the primary. MariaDB has the first, MySQL the second. */
const VARIABLES = ['information_schema.GLOBAL_VARIABLES', 'performance_schema.global_variables'];

/** @returns the server that answers a SELECT, in words; undefined when it does not say */
async function identify(db: Knex | Queryable): Promise<string | undefined> {
  for (const table of VARIABLES) {
    const sql = `SELECT VARIABLE_NAME AS name, VARIABLE_VALUE AS value FROM ${table} WHERE VARIABLE_NAME IN ('hostname', 'port', 'server_id')`;
    const answer = await run<{ name: string; value: string }>(db, sql).catch(() => undefined);
    if (answer === undefined) continue;
    const values = new Map(answer.rows.map(({ name, value }) => [name.toLowerCase(), value]));
    return `${values.get('hostname')}:${values.get('port')} (server_id ${values.get('server_id')})`;
  }
  return undefined;
}

function readsElsewhere(writer: string | undefined, reader: string | undefined): DatabaseFinding[] {
  if (writer === undefined || reader === undefined || writer === reader) return [];
  const line = `reads go to ${reader}, writes to ${writer}: what is written is not read back at once; reach the primary directly, without a read-write split`;
  return [{ setting: 'read-write split', line, refuses: false }];
}
