import { MessageState } from '@tpc/gen/tpc/v1/message';
import { Verdict } from '@tpc/gen/tpc/v1/reliable_message_service';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Callers, callersOf, outgoing } from '../../services/tpc/test/support.ts';
import type { Stack } from '../../tools/stack/stack.ts';
import { startTcpBalancer, type TcpBalancer } from '../support/network/tcp-balancer.ts';
import { listMessages } from '../support/product.ts';
import { realStack } from '../support/real-stack.ts';
import { isSettled, mailsByUser, makeDatabases, query, registerPerson, registerSteadily } from '../support/registrations.ts';
import { type ServiceName, ServiceProcess } from '../support/service-process.ts';
import { until } from '../support/until.ts';

const PER_SECOND = 10;
const PUBLISH_LEASE_MS = 5_000;
const OPC_LEASE_MS = 10_000;
/** After this an open transaction of a frozen process is ended by MariaDB (the services' default). */
const IDLE_TRANSACTION_MS = 10_000;
const TAKEN_OVER = 'a message was taken over or had ended';

/** The stack's inbox may hold mails of other tests and earlier tries. */
const RUN = Date.now().toString(36);

const found = await realStack();

/** Two TPC behind one address, two UAC, two OPC, on one MariaDB, Redis, RocketMQ and mail server. */
describe.skipIf(!found)('two of each on the real stack', () => {
  const stack = found as Stack;
  const running: ServiceProcess[] = [];
  let urls: Record<string, string>;
  let inbox: string;
  let balancer: TcpBalancer;
  let tpcs: ServiceProcess[];
  let uacs: ServiceProcess[];
  let opcs: ServiceProcess[];

  beforeAll(async () => {
    await startPair();
  }, 240_000);
  afterAll(async () => {
    for (const service of running) service.signal('SIGCONT');
    await Promise.all(running.map((service) => service.end('SIGKILL')));
    await balancer?.stop();
  });

  async function startPair(): Promise<void> {
    urls = await makeDatabases(stack.addresses, 'test_pair');
    inbox = stack.addresses.INBOX_URL as string;
    const shared = {
      ...stack.addresses,
      ...urls,
      UAC_BCRYPT_COST: '4',
      UAC_REGISTER_PER_IP: '1000000',
      TPC_PUBLISH_LEASE_MS: String(PUBLISH_LEASE_MS),
      TPC_CHECK_FIRST_MS: '2000',
      OPC_LEASE_MS: String(OPC_LEASE_MS),
      SMTP_TIMEOUT_MS: String(OPC_LEASE_MS / 2),
      OPC_RETRY_FIRST_MS: '500',
      OPC_RETRY_MAX_MS: '2000',
      OPC_DEFER_FIRST_MS: '500',
      OPC_DEFER_MAX_MS: '2000',
    };
    tpcs = [await make('tpc', shared), await make('tpc', shared)];
    balancer = await startTcpBalancer(tpcs.map(({ grpcPort }) => grpcPort));
    const withTpc = { ...shared, TPC_ADDRESS: `127.0.0.1:${balancer.port}` };
    // The sender tells which of the two sent a mail; its domain, which stands in the Message-ID, is the same.
    opcs = [await make('opc', { ...withTpc, SMTP_FROM: 'one@pair.test' }), await make('opc', { ...withTpc, SMTP_FROM: 'two@pair.test' })];
    uacs = [await make('uac', withTpc), await make('uac', withTpc)];
    for (const tpc of tpcs) await tpc.start(['broker']);
    for (const opc of opcs) await opc.start(['broker', 'tpc']);
    for (const uac of uacs) await uac.start();
    await registerPerson(uacUrls, `pairwarm-${RUN}`, '13900000000');
    await until('the first mail', async () => (await mailsByUser(inbox)).has(`pairwarm-${RUN}`), 60_000);
  }

  async function make(name: ServiceName, env: Record<string, string>): Promise<ServiceProcess> {
    const service = await ServiceProcess.make(name, env);
    running.push(service);
    return service;
  }

  /** A mail whose answer did not come in time may have been sent, and is sent again under its Message-ID; on a busy machine that happens. */
  const mailsWithoutAnswer = () => opcs.reduce((sum, opc) => sum + opc.said('an effect failed').length, 0);
  const signalMail = (signal: 'SIGSTOP' | 'SIGCONT') => process.kill(stack.part('mail').record?.pid as number, signal);
  const uacUrls = () => uacs.map(({ http }) => http);
  /** The one that answers. */
  const anyTpc = () => `127.0.0.1:${balancer.port}`;

  async function untilSettled(): Promise<void> {
    await until('every message is settled', async () => isSettled(anyTpc(), urls.UAC_DATABASE_URL as string), 90_000, 250);
  }

  /** One mail for each person by effect: none is missing, repeats carry the same Message-ID, nobody's message is there twice. */
  async function assertOnce(prefix: string, count: number): Promise<{ repeats: number; senders: Map<string, number> }> {
    const mails = [...(await mailsByUser(inbox))].filter(([name]) => new RegExp(`^${prefix}\\d+$`).test(name));
    expect(mails.length).toBe(count);
    for (const [, ofOne] of mails) expect(new Set(ofOne.map(({ MessageID }) => MessageID)).size).toBe(1);
    const [{ users = -1 } = {}] = await query<{ users: number }>(urls.UAC_DATABASE_URL as string, 'SELECT COUNT(*) users FROM pc_uac_user');
    const [{ consumed = -1, wrong = -1 } = {}] = await query<{ consumed: number; wrong: number }>(
      urls.OPC_DATABASE_URL as string,
      'SELECT COUNT(*) consumed, SUM(state <> 30) wrong FROM tpc_inbox',
    );
    const messages = await listMessages(anyTpc());
    const finished = messages.filter(({ state }) => state === MessageState.MESSAGE_STATE_FINISHED).length;
    const cancelled = messages.filter(({ state }) => state === MessageState.MESSAGE_STATE_CANCELLED).length;
    expect({ finished, consumed, wrong: Number(wrong), other: messages.length - finished - cancelled }).toEqual({
      finished: users,
      consumed: users,
      wrong: 0,
      other: 0,
    });
    const all = mails.flatMap(([, ofOne]) => ofOne);
    const senders = new Map([...Map.groupBy(all, ({ From }) => From.Address)].map(([from, list]) => [from, list.length]));
    return { repeats: all.length - mails.length, senders };
  }

  it('shares the work, and handles no message twice', async () => {
    const before = new Map(balancer.sent);
    await registerSteadily(uacUrls, `share-${RUN}-`, 100, PER_SECOND);
    await untilSettled();
    const { repeats, senders } = await assertOnce(`share-${RUN}-`, 100);
    const bytes = tpcs.map(({ grpcPort }) => (balancer.sent.get(grpcPort) ?? 0) - (before.get(grpcPort) ?? 0));
    console.log(`shared: mails by ${JSON.stringify(Object.fromEntries(senders))}, bytes to the two TPC ${bytes.join(' and ')}, ${repeats} repeats`);
    expect(repeats).toBeLessThanOrEqual(mailsWithoutAnswer());
    expect(Math.min(senders.get('one@pair.test') ?? 0, senders.get('two@pair.test') ?? 0)).toBeGreaterThan(10);
    expect(Math.min(...bytes)).toBeGreaterThan(5_000);
  }, 120_000);

  it.each(['tpc', 'opc', 'uac'] as const)(
    'carries on within the lease when one %s is killed with -9',
    async (name) => {
      const victim = { tpc: tpcs, opc: opcs, uac: uacs }[name][0] as ServiceProcess;
      const steady = registerSteadily(uacUrls, `kill${name}-${RUN}-`, 40, PER_SECOND);
      await until(
        'some are registered',
        async () => [...(await mailsByUser(inbox)).keys()].filter((user) => user.startsWith(`kill${name}-${RUN}-`)).length >= 10,
      );
      await victim.end('SIGKILL');
      const killedAt = Date.now();
      const people = await steady;
      await untilSettled();
      const settled = Date.now() - killedAt;
      const registered = Math.max(...people.map(({ since, done }) => done - since));
      const { repeats } = await assertOnce(`kill${name}-${RUN}-`, 40);
      console.log(
        `${name} killed: slowest registration ${registered} ms, all settled ${settled} ms after the kill (the last was started ${Math.max(...people.map(({ since }) => since)) - killedAt} ms after it), ${repeats} repeats`,
      );
      await victim.start();
    },
    180_000,
  );

  it.each([
    [0, 1],
    [1, 0],
  ])('asks a live instance for what a dead one prepared, whichever TPC it polls: prepared at %i, asked at %i', async (preparedAt, askedAt) => {
    const [at, other] = [tpcs[preparedAt] as ServiceProcess, tpcs[askedAt] as ServiceProcess].map(({ grpcPort }) => callersOf(grpcPort)) as [
      Callers,
      Callers,
    ];
    const [producerGroup, storeId, messageKey] = [`PID_PAIR_${preparedAt}`, `store-${RUN}`, `PID_PAIR_${preparedAt}:${RUN}`];
    const message = outgoing({ messageKey });
    await at.messages.saveMessageWaitingConfirm({ producerGroup, storeId, message });
    // The question to the other one began before it was due, and is answered by a TPC that never saw the message.
    const wait = { seconds: 20n, nanos: 0 };
    const { messages } = await other.messages.fetchUncertainMessages({ producerGroup, storeId, instanceId: 'alive', wait });
    expect(messages.map((each) => each.messageKey)).toEqual([messageKey]);
    await other.messages.reportOutcomes({ producerGroup, storeId, outcomes: [{ messageKey, verdict: Verdict.VERDICT_ROLLED_BACK }] });
    expect((await at.admin.getMessage({ messageKey })).message?.state).toBe(MessageState.MESSAGE_STATE_CANCELLED);
    for (const { client } of [at, other]) client.close();
  });

  it('refuses what a frozen OPC still writes after its lease', async () => {
    const [frozen, other] = opcs as [ServiceProcess, ServiceProcess];
    const opcRows = <R>(sql: string) => query<R>(urls.OPC_DATABASE_URL as string, sql);
    // Alone, and with a mail server that takes nothing: so the one that is frozen is in the middle of mails.
    await other.end('SIGKILL');
    signalMail('SIGSTOP');
    try {
      await registerSteadily(uacUrls, `frozenopc-${RUN}-`, 20, PER_SECOND);
      await until('it has claimed mails', async () => (await opcRows('SELECT 1 FROM tpc_inbox WHERE state = 10 AND claim IS NOT NULL')).length > 0);
      frozen.signal('SIGSTOP');
    } finally {
      signalMail('SIGCONT');
    }
    const frozenAt = Date.now();
    await other.start(['broker', 'tpc']);
    await untilSettled();
    console.log(`OPC frozen: the other settled everything ${Date.now() - frozenAt} ms later`);
    const settled = 'SELECT message_key, state, finished_at, attempts FROM tpc_inbox ORDER BY message_key';
    const before = await opcRows(settled);
    const refusedBefore = frozen.said(TAKEN_OVER).length;
    frozen.signal('SIGCONT');
    await until('the woken one is refused', () => frozen.said(TAKEN_OVER).length > refusedBefore);
    const { repeats } = await assertOnce(`frozenopc-${RUN}-`, 20);
    expect(await opcRows(settled)).toEqual(before);
    console.log(`OPC woken: ${frozen.said(TAKEN_OVER).length - refusedBefore} messages refused, ${repeats} mails repeated under their Message-ID`);
  }, 180_000);

  it('loses and repeats nothing when a TPC is frozen past its lease and woken', async () => {
    const [frozen] = tpcs as [ServiceProcess];
    const steady = registerSteadily(uacUrls, `frozentpc-${RUN}-`, 60, PER_SECOND);
    await until(
      'some are registered',
      async () => [...(await mailsByUser(inbox)).keys()].filter((user) => user.startsWith(`frozentpc-${RUN}-`)).length >= 10,
    );
    frozen.signal('SIGSTOP');
    balancer.exclude(frozen.grpcPort);
    const frozenAt = Date.now();
    await steady;
    await untilSettled();
    console.log(`TPC frozen: the other settled everything ${Date.now() - frozenAt} ms later`);
    await until('its lease is over', () => Date.now() - frozenAt > 2 * PUBLISH_LEASE_MS);
    frozen.signal('SIGCONT');
    balancer.include(frozen.grpcPort);
    await registerSteadily(uacUrls, `woken-${RUN}-`, 20, PER_SECOND);
    await untilSettled();
    const { repeats } = await assertOnce(`frozentpc-${RUN}-`, 60);
    console.log(`TPC woken: ${frozen.said('lease ran out').length} batches left to the other, ${repeats} repeats`);
    expect(repeats).toBeLessThanOrEqual(mailsWithoutAnswer());
  }, 180_000);

  it('loses and repeats nothing when a UAC is frozen for longer than its transactions live, and woken', async () => {
    const [frozen, other] = uacs as [ServiceProcess, ServiceProcess];
    const steady = registerSteadily(uacUrls, `frozenuac-${RUN}-`, 60, PER_SECOND);
    await until(
      'some are registered',
      async () => [...(await mailsByUser(inbox)).keys()].filter((user) => user.startsWith(`frozenuac-${RUN}-`)).length >= 10,
    );
    frozen.signal('SIGSTOP');
    const frozenAt = Date.now();
    await steady;
    await until('its transactions are over', () => Date.now() - frozenAt > IDLE_TRANSACTION_MS + 2_000, 30_000, 200);
    await untilSettled();
    frozen.signal('SIGCONT');
    await registerPerson(() => [frozen.http], `wokenuac-${RUN}`, '13900000001');
    await untilSettled();
    const { repeats } = await assertOnce(`frozenuac-${RUN}-`, 60);
    console.log(`UAC frozen: the other answered ${other.said('answered a check-back').length} check-backs, ${repeats} repeats`);
    expect(repeats).toBeLessThanOrEqual(mailsWithoutAnswer());
  }, 180_000);
});
