import { MessageState } from '@tpc/gen/tpc/v1/message';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Stack } from '../../tools/stack/stack.ts';
import { listMessages } from '../support/product.ts';
import { realStack } from '../support/real-stack.ts';
import { isSettled, mailsByUser, makeDatabases, type Person, query, registerPerson, registerSteadily } from '../support/registrations.ts';
import { isServing, ServiceProcess } from '../support/service-process.ts';
import { until } from '../support/until.ts';

const PEOPLE = 500;
const PER_SECOND = 4;
const PARTS = ['mariadb', 'redis', 'broker', 'mail'] as const;
const TITLES = { mariadb: 'MariaDB', redis: 'Redis', broker: 'RocketMQ', mail: 'SMTP' };
const ROUNDS = 2;

/** The stack's inbox may hold mails of other tests and earlier tries. */
const RUN = Date.now().toString(36);

const found = await realStack();

/** TPC, UAC and OPC on the real stack, whose parts are killed with -9 and started again, each twice, while people register at a steady rate. */
describe.skipIf(!found)('the real parts killed and restarted under 500 registrations', () => {
  const stack = found as Stack;
  const services: ServiceProcess[] = [];
  const recoveries: { part: string; away: number; registering: number; mailing: number }[] = [];
  let urls: Record<string, string>;
  let inbox: string;
  let tpc: string;
  let people: Person[];
  let probes = 0;

  beforeAll(async () => {
    urls = await makeDatabases(stack.addresses, 'test_killed');
    inbox = stack.addresses.INBOX_URL as string;
    await startServices();
    const steady = registerSteadily(uac, `person-${RUN}-`, PEOPLE, PER_SECOND);
    for (let round = 0; round < ROUNDS; round++) for (const part of PARTS) await killAndRestart(part);
    people = await steady;
    await until('every message is settled', async () => isSettled(tpc, urls.UAC_DATABASE_URL as string), 90_000, 250);
  }, 400_000);
  afterAll(() => Promise.all(services.map((service) => service.end('SIGKILL'))));

  const uac = () => [services.find(({ name }) => name === 'uac')?.http as string];

  async function startServices(): Promise<void> {
    const shared = {
      ...stack.addresses,
      ...urls,
      UAC_BCRYPT_COST: '4',
      UAC_REGISTER_PER_IP: '1000000',
      OPC_RETRY_FIRST_MS: '500',
      OPC_RETRY_MAX_MS: '2000',
      OPC_DEFER_FIRST_MS: '500',
      OPC_DEFER_MAX_MS: '2000',
    };
    const make = async (name: 'tpc' | 'uac' | 'opc', env: Record<string, string>, parts: string[]) => {
      const service = await ServiceProcess.make(name, env);
      services.push(service);
      await service.start(parts);
      return service;
    };
    const { grpcPort } = await make('tpc', shared, ['broker']);
    tpc = `127.0.0.1:${grpcPort}`;
    await make('opc', { ...shared, TPC_ADDRESS: tpc }, ['broker', 'tpc']);
    await make('uac', { ...shared, TPC_ADDRESS: tpc }, []);
    await registerPerson(uac, `killedwarm-${RUN}`, '13900000002');
    await until('the first mail', async () => (await mailsByUser(inbox)).has(`killedwarm-${RUN}`), 60_000);
  }

  /** Recovery is counted from the moment at which the part answers again: until a new person is registered, and until that person's mail is there. */
  async function killAndRestart(part: (typeof PARTS)[number]): Promise<void> {
    const killed = performance.now();
    await stack.part(part).kill();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await stack.part(part).start();
    const back = performance.now();
    const name = `probe-${RUN}-${probes++}`;
    await registerPerson(uac, name, `1380000${String(probes).padStart(4, '0')}`);
    const registering = Math.round(performance.now() - back);
    await until(`the mail of ${name}`, async () => (await mailsByUser(inbox)).has(name), 60_000, 50);
    const mailing = Math.round(performance.now() - back);
    recoveries.push({ part: TITLES[part], away: Math.round(back - killed), registering, mailing });
  }

  it('prints how long each recovery took', () => {
    for (const { part, away, registering, mailing } of recoveries) {
      console.log(`${part.padEnd(9)} away ${away} ms; back: registered after ${registering} ms, mailed after ${mailing} ms`);
    }
    expect(recoveries.length).toBe(PARTS.length * ROUNDS);
  });

  it('loses nobody: each of the 500 has an activation mail', async () => {
    const mails = await mailsByUser(inbox);
    expect(people.length).toBe(PEOPLE);
    expect(people.filter(({ name }) => !mails.has(name)).map(({ name }) => name)).toEqual([]);
    const slowest = Math.max(...people.map(({ since, done }) => done - since));
    console.log(`${people.filter(({ tries }) => tries > 1).length} people had to try again; slowest registration ${slowest} ms`);
  });

  it('doubles nothing by effect: one user each, one inbox row each, repeated mails under one Message-ID', async () => {
    const users = await query<{ login_name: string }>(urls.UAC_DATABASE_URL as string, 'SELECT login_name FROM pc_uac_user');
    expect(users.length).toBe(PEOPLE + recoveries.length + 1);
    const inboxRows = await query<{ state: number; amount: number }>(
      urls.OPC_DATABASE_URL as string,
      'SELECT state, COUNT(*) amount FROM tpc_inbox GROUP BY state',
    );
    expect(inboxRows.map(({ state, amount }) => [state, Number(amount)])).toEqual([[30, users.length]]);
    const ofUsers = [...(await mailsByUser(inbox))].filter(([name]) => new RegExp(`^(person|probe)-${RUN}-`).test(name)).map(([, mails]) => mails);
    for (const mails of ofUsers) expect(new Set(mails.map(({ MessageID }) => MessageID)).size).toBe(1);
    console.log(`${ofUsers.filter((mails) => mails.length > 1).length} mails were in flight at a kill and came again under their Message-ID`);
  });

  it('ends with every message FINISHED, or CANCELLED where its transaction rolled back', async () => {
    const messages = await listMessages(tpc);
    const inState = (wanted: MessageState) => messages.filter(({ state }) => state === wanted).length;
    const finished = inState(MessageState.MESSAGE_STATE_FINISHED);
    const cancelled = inState(MessageState.MESSAGE_STATE_CANCELLED);
    console.log(`${finished} FINISHED, ${cancelled} CANCELLED, ${messages.length} in all`);
    expect(finished + cancelled).toBe(messages.length);
    expect(finished).toBe(PEOPLE + recoveries.length + 1);
  });

  it('says in the end that every part is there', async () => {
    for (const [name, parts] of [
      ['tpc', ['', 'broker']],
      ['opc', ['', 'broker', 'tpc', 'smtp']],
      ['uac', ['']],
    ] as const) {
      const service = services.find((each) => each.name === name) as ServiceProcess;
      for (const part of parts) await until(`${name} ${part} serves`, () => isServing(`127.0.0.1:${service.grpcPort}`, part), 30_000);
    }
  });
});
