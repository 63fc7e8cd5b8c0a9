import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedBroker, startMailCatcher } from '@tpc/embedded';
import { MessageState } from '@tpc/gen/tpc/v1/message';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { listMails, listMessages, registerUser } from '../support/product.ts';
import { until } from '../support/until.ts';

const PEOPLE = 200;
const AWAY_MS = 60_000;

/** TPC, UAC and OPC as three processes on the embedded broker and mail catcher; TPC goes away for a minute while people register. */
describe('TPC stopped for a minute while 200 people register', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tpc-away-'));
  const services = new Map<string, ChildProcess>();
  const stops: (() => Promise<void>)[] = [];
  let env: Record<string, string>;
  let uac: string;
  let inbox: string;

  function launch(name: 'tpc' | 'uac' | 'opc'): void {
    const child = spawn(process.execPath, ['--conditions=tpc-source', '--disable-warning=ExperimentalWarning', `services/${name}/src/main.ts`], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    services.set(name, child);
  }

  async function end(name: string): Promise<void> {
    const child = services.get(name);
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await exited;
  }

  beforeAll(async () => {
    const broker = await startEmbeddedBroker({ file: `${folder}/broker.db`, host: '127.0.0.1', port: 0 });
    const mail = await startMailCatcher({ file: `${folder}/mail.db`, host: '127.0.0.1', smtpPort: 0, httpPort: 0 });
    stops.push(
      () => broker.stop(),
      () => mail.stop(),
    );
    const [tpcPort, uacPort, uacHttp, opcPort] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
    env = {
      LOG_LEVEL: 'error',
      LOG_FORMAT: 'json',
      TPC_DATABASE_URL: `sqlite:${folder}/tpc.db`,
      UAC_DATABASE_URL: `sqlite:${folder}/uac.db`,
      OPC_DATABASE_URL: `sqlite:${folder}/opc.db`,
      KEY_VALUE_URL: `sqlite:${folder}/key-value.db`,
      UAC_BCRYPT_COST: '6',
      UAC_REGISTER_PER_IP: '0',
      BROKER_ENDPOINTS: `127.0.0.1:${broker.port}`,
      SMTP_HOST: '127.0.0.1',
      SMTP_PORT: String(mail.smtpPort),
      TPC_ADDRESS: `127.0.0.1:${tpcPort}`,
      TPC_GRPC_PORT: String(tpcPort),
      UAC_GRPC_PORT: String(uacPort),
      UAC_HTTP_PORT: String(uacHttp),
      OPC_GRPC_PORT: String(opcPort),
    };
    uac = `http://127.0.0.1:${uacHttp}`;
    inbox = `http://127.0.0.1:${mail.httpPort}`;
    for (const name of ['tpc', 'opc', 'uac'] as const) launch(name);
    await until('UAC serves', async () => (await fetch(`${uac}/readyz`)).ok, 60_000);
    await until(
      'the first mail',
      async () => (await registerUser(uac, 'first', '13700000000')) !== 0 && (await listMails(inbox)).length > 0,
      60_000,
      500,
    );
  }, 150_000);

  afterAll(async () => {
    for (const name of ['uac', 'opc', 'tpc']) await end(name);
    for (const stop of stops) await stop();
  }, 60_000);

  it('registers everybody without waiting for TPC, and delivers every mail after its return', async () => {
    await end('tpc');
    const leftAt = performance.now();
    const codes: number[] = [];
    const waits: number[] = [];
    for (let person = 0; person < PEOPLE; person += 4) {
      const started = performance.now();
      codes.push(
        ...(await Promise.all([0, 1, 2, 3].map((n) => registerUser(uac, `person${person + n}`, `136${String(person + n).padStart(8, '0')}`)))),
      );
      waits.push(performance.now() - started);
    }
    expect(codes.filter((code) => code !== 200)).toEqual([]);
    waits.sort((a, b) => a - b);
    console.log(`registered without TPC: median ${waits[waits.length >> 1]?.toFixed(0)} ms, slowest ${waits.at(-1)?.toFixed(0)} ms for four at once`);
    expect(await listMails(inbox)).toHaveLength(1);
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, AWAY_MS - (performance.now() - leftAt))));
    launch('tpc');
    const mails = await until(
      'all mails',
      async () => {
        const list = await listMails(inbox);
        return list.length >= PEOPLE + 1 ? list : undefined;
      },
      120_000,
      250,
    );
    expect(new Set(mails.map((mail) => mail.To[0]?.Address)).size).toBe(PEOPLE + 1);
    expect(mails).toHaveLength(PEOPLE + 1);
    await until(
      'every message is finished',
      async () => (await listMessages(env.TPC_ADDRESS!, { states: [MessageState.MESSAGE_STATE_FINISHED] })).length === PEOPLE + 1,
      60_000,
    );
  }, 300_000);
});
