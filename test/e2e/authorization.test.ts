import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type MailCatcher, startMailCatcher } from '@tpc/embedded';
import { createLog } from '@tpc/platform';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runTokens } from '../../scripts/lib/tokens-command.ts';
import { startTestBroker, type TestBroker } from '../../services/tpc/test/broker-kit.ts';
import { freePort } from '../support/free-port.ts';
import { type Certificate, createTestCa } from '../support/network/certificates.ts';
import { until } from '../support/until.ts';

/** Three processes as one runs them in production: mTLS and tokens between them, TPC listening to the network. */
const dir = mkdtempSync(join(tmpdir(), 'tpc-e2e-authorization-'));
const file = (name: string) => join(dir, name);
const secrets: string[] = [];
const processes: Record<string, { child: ChildProcess; output: string }> = {};
let broker: TestBroker;
let mail: MailCatcher;
let uacPort: number;

function makeToken(...args: string[]): string {
  const printed: string[] = [];
  runTokens(['new', ...args, '--file', file('tokens.json')], undefined, { print: (line) => printed.push(line), tell: () => undefined });
  secrets.push(...printed);
  return printed.join('');
}

function removeTokensOf(group: string): void {
  const { entries } = JSON.parse(readFileSync(file('tokens.json'), 'utf8')) as { entries: { group?: string; sha256?: string }[] };
  writeFileSync(file('tokens.json'), JSON.stringify({ entries: entries.filter((entry) => entry.group !== group) }));
}

function writePair(name: string, { cert, key }: Certificate): void {
  writeFileSync(file(`${name}.pem`), cert);
  writeFileSync(file(`${name}.key`), key);
  secrets.push(key.split('\n')[1] as string);
}

async function start(name: 'tpc' | 'uac' | 'opc', up: string, env: Record<string, string>): Promise<void> {
  const args = ['--conditions=tpc-source', '--disable-warning=ExperimentalWarning', `services/${name}/src/main.ts`];
  const child = spawn(process.execPath, args, { env: { PATH: process.env.PATH, LOG_LEVEL: 'trace', ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const running = { child, output: '' };
  processes[name] = running;
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (data: Buffer) => {
      running.output += data.toString();
    });
  const ended = () => (child.exitCode === null ? false : Promise.reject(new Error(running.output)));
  await until(`${name} is up`, () => running.output.includes(up) || ended(), 60_000);
}

const output = (name: string) => processes[name]?.output ?? '';
const hangUp = () => processes.tpc?.child.kill('SIGHUP');

beforeAll(async () => {
  broker = await startTestBroker();
  const log = createLog({ service: 'inbox', level: 'silent', format: 'json' });
  mail = await startMailCatcher({ file: file('mail.db'), host: '127.0.0.1', smtpPort: 0, httpPort: 0, log });
  const ca = createTestCa();
  writeFileSync(file('ca.pem'), ca.cert);
  writePair('tpc', ca.issue({ commonName: 'tpc', dns: ['localhost'] }));
  writePair('uac', ca.issue({ commonName: 'uac' }));
  writePair('opc', ca.issue({ commonName: 'opc', uris: ['spiffe://house/opc'] }));
  writeFileSync(file('uac.token'), makeToken('--producer', 'PID_UAC'));
  makeToken('--consumer', 'CID_OPC', '--subject', 'URI=spiffe://house/opc');
  const tpcPort = String(await freePort());
  uacPort = await freePort();
  const toTpc = (name: string) => ({
    TPC_ADDRESS: `localhost:${tpcPort}`,
    TPC_CA_FILE: file('ca.pem'),
    TPC_CLIENT_CERT_FILE: file(`${name}.pem`),
    TPC_CLIENT_KEY_FILE: file(`${name}.key`),
  });
  await start('tpc', 'tpc listens', {
    BIND_HOST: '0.0.0.0',
    TPC_GRPC_PORT: tpcPort,
    TPC_DATABASE_URL: `sqlite:${file('tpc.db')}`,
    TPC_TOKENS_FILE: file('tokens.json'),
    TLS_CERT_FILE: file('tpc.pem'),
    TLS_KEY_FILE: file('tpc.key'),
    TLS_CLIENT_CA_FILE: file('ca.pem'),
    BROKER_ENDPOINTS: broker.endpoints,
  });
  await start('opc', 'OPC runs', {
    ...toTpc('opc'),
    OPC_GRPC_PORT: '0',
    OPC_DATABASE_URL: `sqlite:${file('opc.db')}`,
    BROKER_ENDPOINTS: broker.endpoints,
    SMTP_PORT: String(mail.smtpPort),
  });
  await start('uac', 'uac is up', {
    ...toTpc('uac'),
    TPC_TOKEN_FILE: file('uac.token'),
    UAC_HTTP_PORT: String(uacPort),
    UAC_GRPC_PORT: '0',
    UAC_BCRYPT_COST: '4',
    UAC_DATABASE_URL: `sqlite:${file('uac.db')}`,
    KEY_VALUE_URL: `sqlite:${file('key-value.db')}`,
  });
});
afterAll(async () => {
  for (const { child } of Object.values(processes)) if (child.exitCode === null) child.kill('SIGKILL');
  await mail.stop();
  await broker.drop();
  rmSync(dir, { recursive: true, force: true });
});

async function register(n: number): Promise<void> {
  const body = {
    loginName: `User${n}`,
    loginPwd: 'correct horse',
    confirmPwd: 'correct horse',
    email: `user${n}@example.com`,
    mobileNo: String(13_800_000_000 + n),
    registerSource: 'PC',
  };
  const answer = await fetch(`http://127.0.0.1:${uacPort}/auth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  expect(await answer.json()).toMatchObject({ code: 200 });
}

async function mailsTo(n: number): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${mail.httpPort}/api/v1/messages`);
  const { messages } = (await answer.json()) as { messages: { To: { Address: string }[] }[] };
  return messages.filter(({ To }) => To.some(({ Address }) => Address === `user${n}@example.com`)).length;
}
const untilMailed = (n: number) => until(`user ${n} has one mail`, async () => (await mailsTo(n)) === 1, 60_000);

it('mails travel over mTLS and tokens; a rotated token is taken by all without a restart', async () => {
  await register(1);
  await untilMailed(1);
  const renewed = makeToken('--producer', 'PID_UAC', '--expires', '1d');
  writeFileSync(file('uac.token'), renewed);
  const { entries } = JSON.parse(readFileSync(file('tokens.json'), 'utf8')) as { entries: { group?: string; expires?: string }[] };
  writeFileSync(
    file('tokens.json'),
    JSON.stringify({ entries: entries.filter(({ group, expires }) => group !== 'PID_UAC' || expires !== undefined) }),
  );
  const before = output('tpc').split('files read again').length;
  hangUp();
  await until('TPC reads the tokens again on SIGHUP', () => output('tpc').split('files read again').length > before);
  await register(2);
  await untilMailed(2);
});

it('while its token is taken away, business goes on; what it wrote is delivered once it has one again', async () => {
  removeTokensOf('PID_UAC');
  hangUp();
  await until('TPC refuses UAC', () => output('tpc').includes('"reason":"TOKEN_UNKNOWN"'));
  await register(3);
  expect(await mailsTo(3)).toBe(0);
  writeFileSync(file('uac.token'), makeToken('--producer', 'PID_UAC'));
  hangUp();
  await untilMailed(3);
});

it('nothing that any of them wrote holds a token or a part of a key, and all stop cleanly', async () => {
  for (const { child } of Object.values(processes)) child.kill('SIGTERM');
  await until('all have stopped', () => Object.values(processes).every(({ child }) => child.exitCode !== null), 20_000);
  expect(Object.values(processes).map(({ child }) => child.exitCode)).toEqual([0, 0, 0]);
  expect(secrets.length).toBeGreaterThanOrEqual(6);
  const said = Object.values(processes)
    .map((one) => one.output)
    .join('');
  expect(said.length).toBeGreaterThan(1_000);
  for (const secret of secrets) expect(said).not.toContain(secret);
});
