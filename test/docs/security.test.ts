import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { connectTpc, tpcOptionsFrom } from '@tpc/client/consumer';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sqliteDatabase, startTestTpc, type TestDatabase, type TestTpc } from '../../services/tpc/test/support.ts';

/** The page's commands, run in its order in an empty folder; TPC is started and called with the settings that stand in it. */
const ROOT = resolve(import.meta.dirname, '../..');
const PAGE = readFileSync(join(ROOT, 'docs/security.md'), 'utf8');
const dir = mkdtempSync(join(tmpdir(), 'tpc-security-'));
const env: Record<string, Record<string, string>> = {};
let database: TestDatabase;
let tpc: TestTpc | undefined;
let said = '';

beforeAll(async () => {
  database = await sqliteDatabase();
  makeNpm();
  for (const [, info = '', text = ''] of PAGE.matchAll(/```sh ?(.*)\n([\s\S]*?)```/g)) {
    const name = /^env=(.+)$/.exec(info)?.[1];
    if (name === undefined) said += run(text);
    else env[name] = { ...env[name], ...readSettings(text) };
  }
});
afterAll(async () => {
  await tpc?.stop();
  await database.drop();
  rmSync(dir, { recursive: true, force: true });
});

/** `npm run -s tokens -- …` without npm's second for each command. */
function makeNpm(): void {
  mkdirSync(join(dir, 'bin'));
  const node = `"${process.execPath}" --conditions=tpc-source --disable-warning=ExperimentalWarning "${ROOT}/scripts/tokens.ts"`;
  writeFileSync(join(dir, 'bin/npm'), `#!/bin/sh\n[ "$1 $2 $3 $4" = "run -s tokens --" ] || exit 9\nshift 4\nexec ${node} "$@"\n`);
  chmodSync(join(dir, 'bin/npm'), 0o755);
}

function run(text: string): string {
  const path = [join(dir, 'bin'), process.env.PATH].join(delimiter);
  return execFileSync('bash', ['-euo', 'pipefail', '-c', text], { cwd: dir, env: { PATH: path, HOME: dir }, encoding: 'utf8', stdio: 'pipe' });
}

/** Names of files are those in the folder. */
function readSettings(text: string): Record<string, string> {
  const pairs = [...text.matchAll(/^([A-Z_]+)=(.*)$/gm)].map(([, key = '', value = '']) => [key, value.replace(/^secrets\//, `${dir}/secrets/`)]);
  return Object.fromEntries(pairs) as Record<string, string>;
}

async function start(...names: string[]): Promise<number> {
  await tpc?.stop();
  const settings = Object.assign({}, ...names.map((name) => env[name])) as Record<string, string>;
  tpc = await startTestTpc({ ...settings, TPC_DATABASE_URL: database.url });
  return tpc.service.grpcPort;
}

async function registered(port: number, group: string, settings: Record<string, string>): Promise<string> {
  const connection = connectTpc(tpcOptionsFrom({ ...settings, TPC_ADDRESS: `localhost:${port}` }));
  const instance = { storeId: 's', instanceId: 'i', host: '' };
  const call = group.startsWith('PID')
    ? connection.registerProducer({ producerGroup: group, ...instance, topics: [], outboxRetention: undefined })
    : connection.registerConsumer({
        consumerGroup: group,
        ...instance,
        subscriptions: [{ topic: 'T', tags: [] }],
        inboxRetention: undefined,
        idle: false,
      });
  const answer = await call.then(
    () => 'ok',
    (error: { status: string; reason: string }) => `${error.status} ${error.reason}`,
  );
  connection.close();
  return answer;
}

it('its commands make the tokens and certificates that it names, and list whose they are', () => {
  expect(said).toMatch(/^[0-9a-f]{12} {2}producer PID_UAC\n[0-9a-f]{12} {2}consumer CID_OPC\n[0-9a-f]{12} {2}viewer ada, until \d{4}-/);
  const named = Object.values(env).flatMap((settings) => Object.values(settings).filter((value) => value.startsWith(dir)));
  expect(named.filter((path) => !existsSync(path))).toEqual([]);
});

it('with its settings UAC and OPC may call TPC by TLS and token, and nobody else may', async () => {
  const port = await start('tpc');
  expect(await registered(port, 'PID_UAC', env.uac ?? {})).toBe('ok');
  expect(await registered(port, 'CID_OPC', env.opc ?? {})).toBe('ok');
  expect(await registered(port, 'PID_UAC', env.opc ?? {})).toBe('PERMISSION_DENIED GROUP_FOREIGN');
  expect(await registered(port, 'PID_UAC', { TPC_CA_FILE: env.uac?.TPC_CA_FILE ?? '' })).toBe('UNAUTHENTICATED TOKEN_MISSING');
  expect(await registered(port, 'PID_UAC', {})).toBe('UNAVAILABLE ');
});

it('with its settings for mTLS the certificate of OPC is enough, and needed', async () => {
  const port = await start('tpc', 'mutual');
  const { TPC_TOKEN_FILE: _token, ...withoutToken } = env.opc ?? {};
  expect(await registered(port, 'CID_OPC', { ...withoutToken, ...env['opc-mutual'] })).toBe('ok');
  expect(await registered(port, 'PID_UAC', { ...withoutToken, ...env['opc-mutual'] })).toBe('PERMISSION_DENIED GROUP_FOREIGN');
  expect(await registered(port, 'CID_OPC', env.opc ?? {})).toBe('UNAUTHENTICATED CERTIFICATE_REFUSED');
});

it('says the line of a start without tokens as it is', async () => {
  const failure = await startTestTpc({ TPC_DATABASE_URL: database.url, BIND_HOST: '0.0.0.0' }).catch((error: Error) => error);
  expect(PAGE).toContain(`tpc: ${(failure as Error).message}\n`);
});
