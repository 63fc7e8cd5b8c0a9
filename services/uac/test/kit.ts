import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectTpc, createProducer, migrateClientStore, type Producer } from '@tpc/client/producer';
import { FakeTpc } from '@tpc/client/testing';
import { migrate, run } from '@tpc/core';
import { createLog, type KeyValueStore, type Log, openDatabase, openSqliteKeyValueStore } from '@tpc/platform';
import type { Knex } from 'knex';
import { afterAll } from 'vitest';
import { createTestDatabase } from '../../../test/support/mariadb.ts';
import { type AccessTokens, createAccessTokens } from '../src/adapters/access-tokens.ts';
import { createKnownDevices } from '../src/adapters/known-devices.ts';
import { createPasswords } from '../src/adapters/passwords.ts';
import { createIdGenerator } from '../src/domain/id-generator.ts';
import type { RegistrationForm } from '../src/domain/registration.ts';
import type { Activation } from '../src/flows/activate.ts';
import { createFlows, type FlowParts, type Flows } from '../src/flows/index.ts';
import { uacMigrations } from '../src/store/migrations/index.ts';

/** An empty database with UAC's tables, on either dialect. */
export type TestDatabase = { db: Knex; url: string; drop(): Promise<void> };

async function sqlite(): Promise<TestDatabase> {
  const dir = mkdtempSync(join(tmpdir(), 'tpc-uac-'));
  return prepared(`sqlite:${join(dir, 'uac.db')}`, async () => rmSync(dir, { recursive: true, force: true }));
}

/** Making the tables takes MariaDB a second, so the tests of a file pass their databases on, emptied. */
const idleUrls: string[] = [];
const removals: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const remove of removals) await remove();
});

async function mariadb(): Promise<TestDatabase> {
  const idle = idleUrls.pop();
  if (idle !== undefined) return lent(idle);
  const { url, drop } = await createTestDatabase('uac');
  removals.push(drop);
  return lent(url);
}

async function lent(url: string): Promise<TestDatabase> {
  const database = await prepared(url, async () => undefined);
  for (const table of TABLES) await run(database.db, `DELETE FROM ${table}`);
  return {
    ...database,
    async drop() {
      await database.db.destroy();
      idleUrls.push(url);
    },
  };
}

const TABLES = [
  'pc_uac_user',
  'pc_uac_role_user',
  'pc_uac_group_user',
  'uac_activation_token',
  'uac_session',
  'uac_refresh_token',
  'uac_login_log',
  'uac_worker_lease',
  'uac_signing_key',
  'tpc_outbox',
];

async function prepared(url: string, remove: () => Promise<void>): Promise<TestDatabase> {
  const db = openDatabase({ url });
  await migrate(db, uacMigrations);
  await migrateClientStore(db);
  return { db, url, drop: () => db.destroy().then(remove) };
}

/** For `describe.each`. */
export const DATABASES: readonly (readonly [string, () => Promise<TestDatabase>])[] = [
  ['SQLite', sqlite],
  ['MariaDB', mariadb],
];

/** A mail as UAC handed it to its outbox. */
export type SentMail = { tag: string; to: string; subject: string; text: string; plain: string };

/** Every flow over a real database and a TPC in memory. */
export type TestUac = TestDatabase & {
  flows: Flows;
  tpc: FakeTpc;
  producer: Producer;
  accessTokens: AccessTokens;
  keyValue: KeyValueStore;
  log: Log;
  /** Mails whose transaction committed, oldest first. */
  mails(): Promise<SentMail[]>;
  /** Activates by the button of the link's page. */
  activate(token: string, password?: string): Promise<Activation>;
  /** Token in the newest activation mail to an address. */
  tokenFor(email: string): Promise<string>;
  /** Flows with other parts than the usual, on the same database. */
  flowsWith(parts: Partial<FlowParts>): Flows;
};

const PUBLIC_URL = 'http://uac.test';
export const HOUR_MS = 3_600_000;

/** @param open one of DATABASES */
export async function startTestUac(open: () => Promise<TestDatabase>): Promise<TestUac> {
  const database = await open();
  const { db } = database;
  const tpc = await new FakeTpc().start();
  const connection = connectTpc({ address: tpc.address });
  const producer = createProducer({ knex: db, group: 'PID_UAC', tpc: connection });
  await producer.start();
  const ids = createIdGenerator(Date.now);
  ids.setLease({ workerId: 0, after: 0, until: Number.MAX_SAFE_INTEGER });
  const log = createLog({ service: 'uac', level: 'silent', format: 'json' });
  const keyValue = openSqliteKeyValueStore(':memory:');
  const accessTokens = createAccessTokens(Buffer.alloc(32, 7), 15 * 60_000);
  const usual: FlowParts = {
    db,
    producer,
    passwords: await createPasswords(4),
    accessTokens,
    ids,
    keyValue,
    log,
    publicUrl: () => PUBLIC_URL,
    activationLifeMs: 24 * HOUR_MS,
    refreshLifeMs: 24 * HOUR_MS,
    activationWaitMs: 0,
    loginLimits: { perNetwork: 20, anywhere: 200 },
    knownDevices: createKnownDevices(Buffer.alloc(32, 7)),
  };
  const mails = () => sentMails(db);
  const flows = createFlows(usual);
  return {
    ...database,
    flows,
    flowsWith: (parts) => createFlows({ ...usual, ...parts }),
    tpc,
    producer,
    accessTokens,
    keyValue,
    log,
    mails,
    activate: (token, password = '') => flows.activate({ token, password, language: 'zh' }),
    tokenFor: async (email) => tokenIn((await mails()).findLast((mail) => mail.to === email && mail.tag === 'ACTIVE_USER')),
    async drop() {
      await producer.stop(2_000);
      connection.close();
      tpc.die();
      await keyValue.close();
      await database.drop();
    },
  };
}

async function sentMails(db: Knex): Promise<SentMail[]> {
  const { rows } = await run<{ tag: string; topic: string; body: Buffer }>(db, 'SELECT topic, tag, body FROM tpc_outbox ORDER BY message_key');
  return rows.map(({ tag, body }) => {
    const { to, subject, text, plain } = JSON.parse(body.toString()) as { to: string[]; subject: string; text: string; plain: string };
    return { tag, to: to.join(), subject, text, plain };
  });
}

function tokenIn(mail: SentMail | undefined): string {
  const token = /\/auth\/activeUser\/([\w-]+)/.exec(mail?.plain ?? '')?.[1];
  if (!token) throw new Error('no activation mail');
  return token;
}

/** A registration that is right; `n` makes it another person's. */
export function formOf(n: number, changes: Partial<RegistrationForm> = {}): RegistrationForm {
  return {
    loginName: `User${n}`,
    loginPwd: 'correct horse',
    confirmPwd: 'correct horse',
    email: `User${n}@Example.com`,
    mobileNo: String(13_800_000_000 + n),
    registerSource: 'PC',
    ...changes,
  };
}

export const CLIENT = { ip: '127.0.0.1', userAgent: 'test', network: '127.0.0.1' };

/** Number of rows. */
export async function count(db: Knex, table: string, where = '1 = 1'): Promise<number> {
  const { rows } = await run<{ n: number | string }>(db, `SELECT COUNT(*) AS n FROM ${table} WHERE ${where}`);
  return Number(rows[0]?.n);
}

/** Reasons of refusals, or `ok`, of calls made at once; anything that is no refusal is thrown. */
export async function outcomes(calls: readonly Promise<unknown>[]): Promise<string[]> {
  const settled = await Promise.allSettled(calls);
  return settled.map((call) => {
    if (call.status === 'fulfilled') return 'ok';
    const { reason } = call.reason as { reason?: string };
    if (reason === undefined) throw call.reason;
    return reason;
  });
}
