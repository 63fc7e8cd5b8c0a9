import { spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { START_PORTS } from '../../scripts/lib/start-ports.ts';
import { Product } from '../support/product.ts';
import { until } from '../support/until.ts';

/** Runs npm start's program with settings; answers with its exit code and what it wrote to stderr. */
function run(
  env: Record<string, string>,
  args: string[] = [],
  program = 'scripts/start.ts',
): Promise<{ code: number | null; stderr: string; stdout: string }> {
  const child = spawn(process.execPath, ['--conditions=tpc-source', '--disable-warning=ExperimentalWarning', program, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 30_000,
    killSignal: 'SIGKILL',
  });
  let stderr = '';
  let stdout = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  return new Promise((resolve) => child.once('exit', (code) => resolve({ code, stderr, stdout })));
}

const newFolder = () => mkdtempSync(join(tmpdir(), 'tpc-start-'));
const quiet = { LOG_LEVEL: 'silent' };

describe('npm start with something wrong says so in one line and ends', () => {
  let taken: Server;
  let port: string;
  let free: Record<string, string>;

  beforeAll(async () => {
    free = { ...(await Product.make()).ports };
    taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    port = String((taken.address() as { port: number }).port);
  });
  afterAll(() => {
    taken.close();
  });

  it.each(START_PORTS)('a taken %s', async (name) => {
    const { code, stderr } = await run({ ...quiet, ...free, [name]: port, DATA_DIR: newFolder() });
    expect(code).toBe(1);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toContain(`${name}=${port}: the port is taken by `);
    expect(stderr).toContain(`(process ${process.pid})`);
    expect(stderr).toMatch(new RegExp(`call: ${name}=\\d+ npm start`));
  });

  // In /proc nothing can be made, and the system says ENOENT: Node's recursive mkdir never returns from that.
  it.each(['a file', '/proc'])('a folder that cannot be made: in %s', async (where) => {
    const file = join(newFolder(), 'a-file');
    writeFileSync(file, '');
    const folder = join(where === '/proc' ? where : file, 'data');
    const { code, stderr } = await run({ ...quiet, ...free, DATA_DIR: folder });
    expect(code).toBe(1);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toContain(`DATA_DIR: folder ${folder}`);
    const asDatabase = await run({ ...quiet, ...free, DATA_DIR: newFolder(), TPC_DATABASE_URL: `sqlite:${folder}/tpc.db` });
    expect(asDatabase.stderr).toContain(`TPC_DATABASE_URL: folder ${folder}`);
  });

  it('a setting that is misspelt, beside what ends it', async () => {
    const { stderr } = await run({ ...quiet, ...free, UAC_HTPP_PORT: '3001', DATA_DIR: join(newFolder(), 'in-use.lock'), LOG_LEVEL: 'loud' });
    expect(stderr).toContain('tpc: UAC_HTPP_PORT is not a setting; did you mean UAC_HTTP_PORT?\n');
  });

  it.each([
    ['--port=3000', 'tpc: unexpected argument "--port=3000". Settings'],
    ['--trcae', 'tpc: unexpected argument "--trcae"; did you mean --trace? Settings'],
  ])('an argument that it does not know: %s', async (argument, words) => {
    const { code, stderr } = await run({}, [argument]);
    expect(code).toBe(1);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toContain(words);
  });

  it.each([
    [{ TPC_GRPC_PORT: 'abc' }, 'TPC_GRPC_PORT="abc"'],
    [{ LOG_LEVEL: 'loud' }, 'LOG_LEVEL="loud"'],
    [{ BIND_HOST: '0.0.0.0' }, 'BIND_HOST="0.0.0.0": only a loopback address'],
    [{ TPC_CHECK_FIRST_MS: '-1' }, 'TPC_CHECK_FIRST_MS'],
    [{ OPC_DATABASE_URL: 'postgres://127.0.0.1/opc' }, 'OPC_DATABASE_URL: expected sqlite:<file> or mysql://'],
  ])('a bad setting: %o', async (env, words) => {
    const { code, stderr } = await run({ ...quiet, ...free, DATA_DIR: newFolder(), ...(env as unknown as Record<string, string>) });
    expect(code).toBe(1);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toContain(words);
  });

  it.each([
    ['scripts/start.ts', ['DATA_DIR', 'UAC_HTTP_PORT', 'BROKER_GRPC_PORT']],
    ['services/tpc/src/main.ts', ['TPC_DATABASE_URL', 'TPC_GRPC_PORT']],
    ['services/uac/src/main.ts', ['UAC_DATABASE_URL', 'UAC_HTTP_PORT']],
    ['services/opc/src/main.ts', ['OPC_DATABASE_URL', 'SMTP_HOST']],
  ])('%s lists its settings by --help', async (program, settings) => {
    const { code, stdout } = await run({}, ['--help'], program);
    expect(code).toBe(0);
    for (const name of settings) expect(stdout).toContain(name);
  });
});

describe('npm start', () => {
  let product: Product;
  beforeAll(async () => {
    // As on a machine whose network is reached through a proxy, with a blank in no_proxy: nothing of this is for it.
    product = await Product.make({ http_proxy: 'http://127.0.0.1:9', no_proxy: 'example.com, 127.0.0.1' });
    await product.start();
  });
  afterAll(() => product.end('SIGKILL'));

  it('refuses a second process on the same folder', async () => {
    const other = await Product.make();
    const { code, stderr } = await run({ ...quiet, ...other.ports, DATA_DIR: product.dataDir });
    expect(code).toBe(1);
    expect(stderr).toBe(`tpc: DATA_DIR=${product.dataDir} is in use by another process\n`);
  });

  it('keeps its state over a restart: the mail is there and its link still activates', async () => {
    expect(await product.register('restarter', '13500000001')).toBe(200);
    await until('the mail', async () => (await product.mails()).length === 1);
    expect(await product.end('SIGTERM')).toBe(0);
    await product.start();
    const [mail] = await product.mails();
    const message = (await (await fetch(`${product.inbox}/api/v1/message/${mail?.ID}`)).json()) as { HTML: string };
    const link = /https?:\/\/[^\s"<>]*activeUser\/[^\s"<>]+/.exec(message.HTML)?.[0] as string;
    // A scanner that passes as a browser changes nothing; the acceptance run's plain GET activates, here alone (UAC_ACTIVATE_BY_GET).
    expect(await (await fetch(link, { headers: { accept: 'text/html,*/*;q=0.8' } })).text()).toContain('data-testid="activate"');
    expect(((await (await fetch(link)).json()) as { code: number }).code).toBe(200);
    await until('the second mail', async () => (await product.mails()).length === 2);
  });
});

it('npm start sends all mail to another server where SMTP_HOST names one, starts no catcher, and lets no GET activate', async () => {
  const product = await Product.make({ SMTP_HOST: '127.0.0.1' });
  const recipients: string[] = [];
  let mail = '';
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData: (stream, { envelope }, done) => {
      recipients.push(...envelope.rcptTo.map(({ address }) => address));
      stream.on('data', (chunk) => {
        mail += chunk;
      });
      stream.on('end', () => done());
    },
  });
  await new Promise<void>((resolve) => server.listen(Number(product.ports.SMTP_PORT), '127.0.0.1', () => resolve()));
  try {
    await product.start();
    expect(await product.register('elsewhere', '13500000002')).toBe(200);
    const linkIn = (text: string) => /https?:\/\/\S+activeUser\/[\w-]{43}/.exec(text.replaceAll('=\r\n', ''))?.[0];
    await until('the whole mail at the other server', () => recipients.includes('elsewhere@example.com') && linkIn(mail) !== undefined);
    const link = linkIn(mail) as string;
    expect(await (await fetch(link)).json()).toMatchObject({ code: 200, result: { status: 'DISABLE', activateBy: 'POST' } });
    await expect(fetch(product.inbox)).rejects.toThrow();
    expect(product.output).toContain(`all mail goes to 127.0.0.1:${product.ports.SMTP_PORT}`);
  } finally {
    await product.end('SIGTERM');
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
});
