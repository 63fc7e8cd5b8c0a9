import { type ChildProcess, spawn } from 'node:child_process';
import { SMTPServer } from 'smtp-server';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Stack } from '../../tools/stack/stack.ts';
import { freePort } from '../support/free-port.ts';
import { realStack } from '../support/real-stack.ts';
import { until } from '../support/until.ts';

const found = await realStack();

type Service = 'tpc' | 'uac' | 'opc';

/** Each service alone, with one setting wrong, on the real stack. */
describe.skipIf(!found)('a service with a wrong setting', () => {
  const { settings, addresses } = found as Stack;
  const children: ChildProcess[] = [];
  let mailServer: SMTPServer;
  let mailPort: number;

  /** A mail server that wants a log-in. */
  beforeAll(async () => {
    const onAuth = (_auth: unknown, _session: unknown, answer: (error: Error) => void) =>
      answer(Object.assign(new Error('no'), { responseCode: 535 }));
    mailServer = new SMTPServer({ onAuth, allowInsecureAuth: true, disabledCommands: ['STARTTLS'], disableReverseLookup: true });
    mailPort = await freePort();
    await new Promise<void>((resolve) => mailServer.listen(mailPort, '127.0.0.1', resolve));
  });
  afterAll(() => new Promise<void>((resolve) => mailServer.close(resolve)));
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  function run(service: Service, env: Record<string, string>) {
    const ports = { TPC_GRPC_PORT: '0', UAC_GRPC_PORT: '0', UAC_HTTP_PORT: '0', OPC_GRPC_PORT: '0' };
    const args = ['--conditions=tpc-source', '--disable-warning=ExperimentalWarning', `services/${service}/src/main.ts`];
    const child = spawn(process.execPath, args, {
      env: { ...process.env, ...addresses, ...ports, LOG_FORMAT: 'json', LOG_LEVEL: 'warn', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.push(child);
    const said = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk) => {
      said.stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      said.stderr += chunk;
    });
    return { said, ended: new Promise<number | null>((resolve) => child.once('close', resolve)) };
  }

  const mysql = (login: string, database: string) => `mysql://${login}@127.0.0.1:${settings.STACK_MYSQL_PORT}/${database}`;
  const at = (port: number) => `127.0.0.1:${port}`;
  const login = { SMTP_USER: 'opc', SMTP_PASSWORD: 'secret' };
  const cases = (): [what: string, Service, Record<string, string>, line: string | RegExp][] => [
    ['TPC: wrong password', 'tpc', { TPC_DATABASE_URL: mysql('tpc:secret', 'tpc') }, /^TPC_DATABASE_URL: the server refuses user or password: /],
    ['UAC: wrong password', 'uac', { UAC_DATABASE_URL: mysql('tpc:secret', 'uac') }, /^UAC_DATABASE_URL: the server refuses user or password: /],
    ['OPC: wrong password', 'opc', { OPC_DATABASE_URL: mysql('tpc:secret', 'opc') }, /^OPC_DATABASE_URL: the server refuses user or password: /],
    [
      'unknown database',
      'tpc',
      { TPC_DATABASE_URL: mysql('tpc:tpc', 'tpc_none') },
      /^TPC_DATABASE_URL: there is no database tpc_none: CREATE DATABASE /,
    ],
    [
      'not a MySQL port',
      'uac',
      { UAC_DATABASE_URL: `mysql://tpc:secret@${at(settings.STACK_REDIS_PORT)}/uac` },
      `UAC_DATABASE_URL: ${at(settings.STACK_REDIS_PORT)} speaks Redis, not MySQL`,
    ],
    [
      'a Redis database that is none',
      'uac',
      { KEY_VALUE_URL: `redis://${at(settings.STACK_REDIS_PORT)}/99` },
      /^KEY_VALUE_URL: Redis refuses: ERR DB index/,
    ],
    [
      'not a Redis port',
      'uac',
      { KEY_VALUE_URL: `redis://:secret@${at(settings.STACK_MYSQL_PORT)}` },
      `KEY_VALUE_URL: ${at(settings.STACK_MYSQL_PORT)} speaks MySQL, not Redis`,
    ],
    [
      'not a broker port',
      'tpc',
      { BROKER_ENDPOINTS: at(settings.STACK_MYSQL_PORT) },
      `BROKER_ENDPOINTS: ${at(settings.STACK_MYSQL_PORT)} speaks MySQL, not gRPC`,
    ],
    [
      'the name server for the proxy',
      'opc',
      { BROKER_ENDPOINTS: at(settings.STACK_NAME_SERVER_PORT) },
      /^BROKER_ENDPOINTS: \S+ speaks RocketMQ's remoting protocol; the gRPC port of its proxy is needed/,
    ],
    ['authorities without TLS', 'tpc', { BROKER_CA_FILE: 'ca.pem' }, 'bad setting: BROKER_CA_FILE without BROKER_TLS=true'],
    ['a key without its secret', 'tpc', { BROKER_ACCESS_KEY: 'k' }, 'bad setting: BROKER_ACCESS_KEY and BROKER_SECRET_KEY belong together'],
    ['SMTP: wrong password', 'opc', { SMTP_PORT: String(mailPort), ...login }, /^SMTP_USER, SMTP_PASSWORD: the mail server refuses them: EAUTH /],
    [
      'SMTP: STARTTLS required where there is none',
      'opc',
      { SMTP_PORT: String(mailPort), SMTP_STARTTLS: 'required' },
      /^SMTP_STARTTLS: the mail server does not do it: /,
    ],
    ['SMTP: TLS where there is none', 'opc', { SMTP_SECURE: 'true' }, /^SMTP_SECURE: \S+ does not speak TLS from the first byte: set it to false/],
    [
      'not an SMTP port',
      'opc',
      { SMTP_PORT: String(settings.STACK_REDIS_PORT) },
      `SMTP_PORT: ${at(settings.STACK_REDIS_PORT)} speaks Redis, not SMTP`,
    ],
  ];

  it('ends with one line that names it, and repeats no password', async () => {
    for (const [what, service, env, line] of cases()) {
      const { said, ended } = run(service, env);
      expect(await ended, what).toBe(1);
      const prefix = `${service}: `;
      expect(said.stderr.slice(0, prefix.length), what).toBe(prefix);
      expect(said.stderr.trimEnd().split('\n'), what).toHaveLength(1);
      if (typeof line === 'string') expect(said.stderr.trimEnd(), what).toBe(prefix + line);
      else expect(said.stderr.slice(prefix.length), what).toMatch(line);
      expect(said.stderr + said.stdout, what).not.toContain('secret');
    }
  }, 300_000);

  it('runs without its consumer group on the broker, and says that it is missing', async () => {
    const { said } = run('opc', { OPC_CONSUMER_GROUP: 'CID_NONE' });
    await until('it says so', () => said.stdout.includes('consumer group CID_NONE does not exist on the broker: make it there'));
  });

  it('waits for a database that is away, until it is told to stop', async () => {
    const url = `mysql://tpc:tpc@127.0.0.1:${await freePort()}/uac`;
    const waiting = run('uac', { UAC_DATABASE_URL: url });
    await until('it says that it waits', () => waiting.said.stdout.includes('the database is away; trying again'));
    children[0]?.kill('SIGTERM');
    expect(await waiting.ended).toBe(0);
  });
});
