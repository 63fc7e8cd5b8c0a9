import { MessageState } from '@tpc/gen/tpc/v1/message';
import mysql from 'mysql2/promise';
import { type ListedMail, listMails, listMessages } from './product.ts';

const OK = 200;
/** Answered when the login name exists: an earlier try of the same person committed although its answer was lost. */
const NAME_TAKEN = '10011012';

export type Person = { name: string; tries: number; since: number; done: number };

/** Registers one person, again and again, at the next UAC each time, until one says that it is done: what people do when a page shows an error. */
export async function registerPerson(urls: () => readonly string[], name: string, mobileNo: string): Promise<Person> {
  const since = Date.now();
  for (let tries = 1; ; tries++) {
    const all = urls();
    const answer = await tryOnce(all[tries % all.length] as string, name, mobileNo).catch((error: Error) => error.message);
    if (answer === 'done') return { name, tries, since, done: Date.now() };
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

async function tryOnce(uac: string, name: string, mobileNo: string): Promise<string> {
  const form = {
    loginName: name,
    loginPwd: 'Str0ng-pass!',
    confirmPwd: 'Str0ng-pass!',
    email: `${name}@example.com`,
    mobileNo,
    registerSource: 'PC',
  };
  const response = await fetch(`${uac}/auth/register`, { method: 'POST', body: new URLSearchParams(form), signal: AbortSignal.timeout(5_000) });
  const text = await response.text();
  const { code } = JSON.parse(text) as { code: number };
  return code === OK || text.includes(NAME_TAKEN) ? 'done' : text;
}

/** Starts people at a steady rate and answers with all of them once the last one is done. */
export async function registerSteadily(urls: () => readonly string[], prefix: string, count: number, perSecond: number): Promise<Person[]> {
  const began = performance.now();
  const people: Promise<Person>[] = [];
  for (let number = 0; number < count; number++) {
    const wait = (number * 1_000) / perSecond - (performance.now() - began);
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    people.push(registerPerson(urls, `${prefix}${number}`, `1${mobilePrefix(prefix)}${String(number).padStart(5, '0')}`));
  }
  return Promise.all(people);
}

/** Mobile numbers are unique as well. */
function mobilePrefix(prefix: string): string {
  const sum = [...prefix].reduce((hash, letter) => (hash * 31 + letter.charCodeAt(0)) % 10_000, 7);
  return `3${String(sum).padStart(4, '0')}`;
}

/** Mails of the inbox by the user that they are for. */
export async function mailsByUser(inbox: string): Promise<Map<string, ListedMail[]>> {
  return Map.groupBy(await listMails(inbox), (mail) => (mail.To[0]?.Address ?? '').split('@')[0] ?? '');
}

/** One query on a database of the stack. */
export async function query<R>(url: string, sql: string): Promise<R[]> {
  const connection = await mysql.createConnection({ uri: url });
  try {
    const [rows] = await connection.query(sql);
    return rows as R[];
  } finally {
    connection.destroy();
  }
}

/** Whether TPC has nothing open, and every user that committed has a finished message: one that still waits in an outbox is not known to TPC. */
export async function isSettled(tpc: string, uacDatabase: string): Promise<boolean> {
  const messages = await listMessages(tpc);
  const count = (wanted: MessageState) => messages.filter(({ state }) => state === wanted).length;
  const open = count(MessageState.MESSAGE_STATE_WAITING_CONFIRM) + count(MessageState.MESSAGE_STATE_SENDING);
  const [{ users = -1 } = {}] = await query<{ users: number }>(uacDatabase, 'SELECT COUNT(*) users FROM pc_uac_user');
  return open === 0 && count(MessageState.MESSAGE_STATE_FINISHED) === users;
}

/** Empty databases of this name on the server of `url`, one for each service. */
export async function makeDatabases(addresses: Readonly<Record<string, string>>, prefix: string): Promise<Record<string, string>> {
  const made: Record<string, string> = {};
  for (const name of ['TPC_DATABASE_URL', 'UAC_DATABASE_URL', 'OPC_DATABASE_URL']) {
    const url = new URL(addresses[name] as string);
    const database = `${prefix}_${url.pathname.slice(1)}`;
    await query(addresses[name] as string, `DROP DATABASE IF EXISTS ${database}`);
    await query(addresses[name] as string, `CREATE DATABASE ${database} CHARACTER SET utf8mb4`);
    url.pathname = `/${database}`;
    made[name] = url.href;
  }
  return made;
}
