import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { credentials } from '@grpc/grpc-js';
import { MessageState } from '@tpc/gen/tpc/v1/message';
import { MessageAdminServiceClient } from '@tpc/gen/tpc/v1/message_admin_service';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stateFolder } from '../../tools/stack/settings.ts';
import type { Stack } from '../../tools/stack/stack.ts';
import { runInShell } from '../support/pages/walkthrough.ts';
import { listMessages, registerUser } from '../support/product.ts';
import { realStack } from '../support/real-stack.ts';
import { makeDatabases } from '../support/registrations.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { Jaeger, traceInJaeger } from '../support/tracing/jaeger.ts';
import {
  HOPS_FROM_PUBLISH,
  HOPS_OF_CONFIRM,
  HOPS_TO_PREPARED,
  OWN_HOPS_FROM_PUBLISH,
  PUBLISH,
  pathOf,
  type SeenSpan,
} from '../support/tracing/seen-spans.ts';
import { until } from '../support/until.ts';

const found = await realStack();
const RUN = Date.now().toString(36);
/** Building Jaeger, where it is not there yet. */
const BUILD_MS = 900_000;

/** What an engineer sees who asks a real Jaeger for a message key, after one registration on MariaDB, Redis and RocketMQ. */
describe.skipIf(!found)('the trace of a message in Jaeger', () => {
  const stack = found as Stack;
  let jaeger: Jaeger;
  let tpc: ServiceProcess;
  let opc: ServiceProcess;
  let uac: ServiceProcess;
  let people = 0;

  beforeAll(async () => {
    jaeger = await Jaeger.start(stack);
    const env = {
      ...stack.addresses,
      ...(await makeDatabases(stack.addresses, 'test_traces')),
      OTEL_EXPORTER_OTLP_ENDPOINT: jaeger.otlp,
      UAC_BCRYPT_COST: '4',
      TPC_REDELIVER_FIRST_MS: '1000',
      TPC_REDELIVER_PASSED_MS: '0',
      TPC_REDELIVER_POLL_MS: '200',
      TPC_HEARTBEAT_INTERVAL_MS: '1000',
    };
    tpc = await ServiceProcess.make('tpc', env);
    await tpc.start(['broker']);
    const withTpc = { ...env, TPC_ADDRESS: `127.0.0.1:${tpc.grpcPort}` };
    opc = await ServiceProcess.make('opc', withTpc);
    uac = await ServiceProcess.make('uac', { ...withTpc, JAEGER_URL: jaeger.query });
    await Promise.all([opc.start(['broker', 'tpc']), uac.start()]);
  }, BUILD_MS);
  afterAll(async () => {
    await Promise.all([tpc, opc, uac].map((service) => service?.end('SIGKILL')));
    await jaeger?.stop();
  });

  const messages = () => listMessages(`127.0.0.1:${tpc.grpcPort}`);

  /** Registers somebody. @returns the key of the mail's message, in one of these states */
  async function register(...states: MessageState[]): Promise<string> {
    const known = new Set((await messages()).map(({ messageKey }) => messageKey));
    const number = people++;
    expect(await registerUser(uac.http, `traced${RUN}${number}`, `1370000${String(number).padStart(4, '0')}`)).toBe(200);
    const isNew = async () => (await messages()).find(({ messageKey, state }) => !known.has(messageKey) && states.includes(state))?.messageKey;
    return until('the message is where it should be', isNew, 60_000) as Promise<string>;
  }

  const finished = (key: string) =>
    until(
      'the message is finished',
      async () => (await messages()).some(({ messageKey, state }) => messageKey === key && state === MessageState.MESSAGE_STATE_FINISHED),
      90_000,
    );

  const traceOf = (key: string, hops: readonly (readonly string[])[], complete?: (spans: SeenSpan[]) => boolean) =>
    traceInJaeger(jaeger.query, key, hops, complete);

  /** Its port may be held for a moment after a kill. */
  const startBroker = () =>
    until(
      'the broker is back',
      async () => {
        await stack.part('broker').start();
        return true;
      },
      120_000,
      500,
    );

  const publishesIn = (spans: readonly SeenSpan[]) => spans.filter(({ name }) => name === 'SEND_EMAIL_TOPIC publish');

  it('is one, found by its key, with every hop below the one that caused it', async () => {
    const key = await register(MessageState.MESSAGE_STATE_FINISHED);
    const spans = await traceOf(key, [...HOPS_TO_PREPARED, ...HOPS_OF_CONFIRM, ...HOPS_FROM_PUBLISH]);
    expect(publishesIn(spans)).toHaveLength(1);
    expect(spans.filter(({ failed }) => failed)).toEqual([]);
  }, 120_000);

  it('is what the command of docs/tracing.md answers', async () => {
    const key = await register(MessageState.MESSAGE_STATE_FINISHED);
    await traceOf(key, HOPS_OF_CONFIRM);
    const page = readFileSync(resolve(import.meta.dirname, '../../docs/tracing.md'), 'utf8');
    const command = /^curl .*$/m.exec(page)?.[0] ?? '';
    expect(command).toContain('http://127.0.0.1:26686/');
    const here = command.replace('http://127.0.0.1:26686', jaeger.query).replace('0190…', key);
    const { output, exitCode } = await runInShell(here, { env: process.env, cwd: tmpdir(), timeoutMs: 30_000 });
    expect([exitCode, output]).toEqual([0, expect.stringContaining('SEND_EMAIL_TOPIC create')]);
  });

  it('is one click away from the pages', async () => {
    const page = await (await fetch(`${uac.http}/`)).text();
    const link = /href="([^"]+)" data-testid="traces"/.exec(page)?.[1]?.replaceAll('&amp;', '&') ?? '';
    const { data } = (await (await fetch(link)).json()) as { data: { spans: { operationName: string }[] }[] };
    expect(data.flatMap(({ spans }) => spans.map(({ operationName }) => operationName))).toContain('SEND_EMAIL_TOPIC create');
  });

  it('goes on after a kill between confirm and publish: the next process publishes in the same trace', async () => {
    await stack.part('broker').kill();
    const key = await register(MessageState.MESSAGE_STATE_SENDING);
    // Spans of the last second die with a process.
    await traceOf(key, HOPS_TO_PREPARED);
    await tpc.end('SIGKILL');
    await startBroker();
    await tpc.start(['broker']);
    await finished(key);
    const spans = await traceOf(key, [...HOPS_TO_PREPARED, ...OWN_HOPS_FROM_PUBLISH]);
    const last = publishesIn(spans).find(({ failed }) => !failed) as SeenSpan;
    expect(pathOf(spans, last)).toEqual(PUBLISH);
    expect(last.attributes['tpc.repeats']).toBe(true);
    expect(last.links).toHaveLength(1);
  }, 180_000);

  it('goes on after an operator has sent it again, linked to the publish that is repeated', async () => {
    const key = await register(MessageState.MESSAGE_STATE_FINISHED);
    await resend(key);
    const twice = (spans: SeenSpan[]) => spans.filter(({ name }) => name === 'SEND_EMAIL_TOPIC process').length === 2;
    const spans = await traceOf(key, HOPS_FROM_PUBLISH, twice);
    expectRepeated(spans);
    expect(spans.filter(({ name }) => name === 'SEND_EMAIL_TOPIC resend')).toHaveLength(1);
  }, 120_000);

  it('goes on after a redelivery of what the broker has lost, linked to the publish that is repeated', async () => {
    await opc.end('SIGTERM');
    const key = await register(MessageState.MESSAGE_STATE_SENDING);
    await traceOf(key, [PUBLISH]);
    await stack.part('broker').kill();
    rmSync(stateFolder(stack.settings, 'broker'), { recursive: true, force: true });
    await startBroker();
    await opc.start(['broker', 'tpc']);
    await finished(key);
    expectRepeated(await traceOf(key, HOPS_FROM_PUBLISH));
  }, 240_000);

  function expectRepeated(spans: readonly SeenSpan[]): void {
    const [first, ...more] = publishesIn(spans).toSorted((one, other) => one.links.length - other.links.length);
    expect(first?.links).toEqual([]);
    expect(more.length).toBeGreaterThan(0);
    for (const publish of more) {
      expect(pathOf(spans, publish)).toEqual(PUBLISH);
      expect(publish.links).toEqual([{ traceId: first?.traceId, spanId: first?.spanId }]);
    }
  }

  async function resend(messageKey: string): Promise<void> {
    const client = new MessageAdminServiceClient(`127.0.0.1:${tpc.grpcPort}`, credentials.createInsecure());
    const request = { messageKey, consumerGroups: ['CID_OPC'], requestId: '', comment: '' };
    await new Promise<void>((resolve, reject) => client.resendMessage(request, (error) => (error ? reject(error) : resolve())));
    client.close();
  }
});
