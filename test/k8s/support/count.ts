/** What came of it all, counted in the databases and in the inbox. */

import { expect } from 'vitest';
import type { ListedMail } from '../../support/product.ts';
import { mailsByUser, query } from '../../support/registrations.ts';
import { until } from '../../support/until.ts';
import type { Demo } from './demo.ts';
import type { Registered } from './load.ts';

const FINISHED = 30;
const CANCELLED = 40;
/** States in which a message waits for something: WAITING_CONFIRM, SENDING. */
const OPEN = [10, 20];
const CONSUMED = 30;

type States = Map<number, number>;

/** Waits until OPC has registered its subscription: before that TPC refuses messages that nobody would receive, and UAC whoever registers. */
export async function subscribed(demo: Demo): Promise<void> {
  const rows = async () => ask<{ amount: number }>(demo, 'tpc', 'SELECT COUNT(*) amount FROM subscription');
  await until('OPC is subscribed', async () => Number((await rows())[0]?.amount) > 0, 120_000, 1_000);
}

/** Waits until nothing is open any more and every user has a finished message. */
export async function settle(demo: Demo, withinMs = 240_000): Promise<void> {
  const settled = async () => {
    const messages = await messageStates(demo);
    const open = OPEN.reduce((sum, state) => sum + (messages.get(state) ?? 0), 0);
    return open === 0 && messages.get(FINISHED) === (await userCount(demo));
  };
  await until('every message is settled', settled, withinMs, 2_000);
}

/**
 * Nothing is lost: everybody who was told "done" is a user and has an activation mail. Nothing is doubled by effect: one user each, one consumed inbox row
 * each, and a mail that came again came under the Message-ID of the first.
 * @param everybody all people of this namespace since it was made
 */
export async function expectEachOnce(demo: Demo, everybody: readonly Registered[]): Promise<void> {
  const mails = await inbox(demo);
  expect(everybody.filter(({ name }) => !mails.has(name)).map(({ name }) => name)).toEqual([]);
  expect(await userCount(demo)).toBe(everybody.length);
  expect([...(await statesOf(demo, 'opc', 'tpc_inbox'))]).toEqual([[CONSUMED, everybody.length]]);
  const of = everybody.map(({ name }) => mails.get(name) as ListedMail[]);
  for (const each of of) expect(new Set(each.map(({ MessageID }) => MessageID)).size).toBe(1);
  const messages = await messageStates(demo);
  expect([...messages.keys()].filter((state) => state !== FINISHED && state !== CANCELLED)).toEqual([]);
  expect(messages.get(FINISHED)).toBe(everybody.length);
  const again = of.filter((each) => each.length > 1).length;
  console.log(
    `k8s: ${everybody.length} people: ${messages.get(FINISHED)} FINISHED, ${messages.get(CANCELLED) ?? 0} CANCELLED, ${again} mails repeated under their Message-ID`,
  );
}

/** Prints how people fared, and answers with those whose first try failed. */
export function failedAtFirst(title: string, people: readonly Registered[]): Registered[] {
  const times = people.map(({ ms }) => ms).sort((one, other) => one - other);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))];
  const failed = people.filter(({ tries }) => tries > 1);
  console.log(
    `k8s: ${title}: ${people.length} registered, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, slowest ${times.at(-1)} ms; ${failed.length} had to try again`,
  );
  for (const { name, failures } of failed.slice(0, 5)) console.log(`k8s:   ${name}: ${failures[0]}`);
  return failed;
}

/** Keys of the messages that have come to their end, the newest first. */
export async function finishedKeys(demo: Demo): Promise<string[]> {
  const rows = await ask<{ message_key: string }>(demo, 'tpc', `SELECT message_key FROM message WHERE state = ${FINISHED} ORDER BY id DESC`);
  return rows.map((row) => row.message_key);
}

async function inbox(demo: Demo): Promise<Map<string, ListedMail[]>> {
  await using way = await demo.kubectl.forward('service/mail', 'inbox');
  return await mailsByUser(`http://${way.address}`);
}

async function messageStates(demo: Demo): Promise<States> {
  return statesOf(demo, 'tpc', 'message');
}

async function statesOf(demo: Demo, service: 'tpc' | 'uac' | 'opc', table: string): Promise<States> {
  const rows = await ask<{ state: number; amount: number }>(demo, service, `SELECT state, COUNT(*) amount FROM ${table} GROUP BY state`);
  return new Map(rows.map(({ state, amount }) => [state, Number(amount)]));
}

async function userCount(demo: Demo): Promise<number> {
  const [row] = await ask<{ users: number }>(demo, 'uac', 'SELECT COUNT(*) users FROM pc_uac_user');
  return Number(row?.users);
}

/** One query as the service's own user. */
async function ask<R>(demo: Demo, service: string, sql: string): Promise<R[]> {
  const url = new URL(await demo.kubectl.secret(service, 'database-url'));
  await using way = await demo.kubectl.forward('service/mariadb', 3306);
  url.host = way.address;
  return await query<R>(url.href, sql);
}
