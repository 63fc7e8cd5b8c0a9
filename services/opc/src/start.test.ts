import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog, loadConfig, StartError } from '@tpc/platform';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { freePort } from '../../../test/support/free-port.ts';
import { until } from '../../../test/support/until.ts';
import { configSchema, startOpcService } from './index.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'opc-start-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const log = createLog({ service: 'opc', level: 'silent', format: 'json' });
const start = async (settings: Record<string, string>, stopping?: AbortSignal) => {
  const nobody = `127.0.0.1:${await freePort()}`;
  const env = { OPC_DATABASE_URL: `sqlite:${dir}/opc.db`, OPC_GRPC_PORT: '0', BROKER_ENDPOINTS: nobody, TPC_ADDRESS: nobody, ...settings };
  return startOpcService({ config: loadConfig(configSchema, env), log, ...(stopping ? { stopping } : {}) });
};

async function lineOf(starting: Promise<unknown>): Promise<string> {
  const error = await starting.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(StartError);
  return (error as StartError).message;
}

it('starts and stops while broker, TPC and mail server are away', async () => {
  const service = await start({ SMTP_PORT: String(await freePort()) });
  await until('the consumer to work on what its inbox holds', () => service.state().running);
  await until('the mail server to be missed', () => service.state().smtp.connected === false);
  expect(service.state().registration).toBe('pending');
  await service.stop();
});

it('waits for a database that is away, until it is told to stop', async () => {
  const stopping = new AbortController();
  const waiting = start({ OPC_DATABASE_URL: `mysql://root@127.0.0.1:${await freePort()}/opc` }, stopping.signal);
  stopping.abort();
  await expect(waiting).rejects.toBe(stopping.signal.reason);
});

it('with MIGRATE=check says what is missing, and starts once it is there', async () => {
  const line = await lineOf(start({ MIGRATE: 'check' }));
  expect(line).toContain('MIGRATE=check');
  expect(line).toContain('0001_page_token_secret');
  expect(line).toContain('inbox');
  await (await start({})).stop();
  await (await start({ MIGRATE: 'check' })).stop();
});

it.each([
  ['a database address of no known kind', { OPC_DATABASE_URL: 'postgres://127.0.0.1/opc' }, 'OPC_DATABASE_URL: expected sqlite:'],
  ['a topic without a handler', { OPC_SUBSCRIPTIONS: 'SEND_EMAIL_TOPIC;OTHER_TOPIC' }, 'OPC_SUBSCRIPTIONS'],
])('refuses to start on %s, with one line that names it', async (_, settings, named) => {
  expect(await lineOf(start(settings as unknown as Record<string, string>))).toContain(named);
});

it('waits for a database that is not there until it is told to stop', async () => {
  const stopping = new AbortController();
  const starting = start({ OPC_DATABASE_URL: 'mysql://root@127.0.0.1:1/opc' }, stopping.signal);
  stopping.abort(new Error('told to stop'));
  await expect(starting).rejects.toThrow('told to stop');
});

it('refuses a taken port with one line that names it, and leaves nothing running', async () => {
  const first = await start({});
  const line = await lineOf(start({ OPC_DATABASE_URL: `sqlite:${dir}/second.db`, OPC_GRPC_PORT: String(first.grpcPort) }));
  expect(line).toContain('OPC_GRPC_PORT');
  await first.stop();
});
