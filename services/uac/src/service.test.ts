import { connect, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { loadConfig, openDatabase, StartError } from '@tpc/platform';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formOf } from '../test/kit.ts';
import { openServiceKit, type ServiceKit } from '../test/service-kit.ts';
import { configSchema } from './config.ts';

type Envelope = { code: number; message: string; result: Record<string, string> };

const post = async (port: number, path: string, body: object) => {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  return (await response.json()) as Envelope;
};

describe('UAC as a service', () => {
  let kit: ServiceKit;
  beforeEach(async () => {
    kit = await openServiceKit();
  });
  afterEach(() => kit.drop());

  it('takes registrations while TPC is away, and says so beside being ready', async () => {
    kit.tpc.die();
    const { httpPort, producerState } = await kit.start();
    const answers = await Promise.all([1, 2, 3].map((n) => post(httpPort, '/auth/register', formOf(n))));
    expect(answers).toMatchObject([{ code: 200 }, { code: 200 }, { code: 200 }]);
    expect(producerState().mode).toBe('outbox_only');
    const ready = await fetch(`http://127.0.0.1:${httpPort}/readyz`);
    expect([ready.status, await ready.json()]).toEqual([200, { status: 'ok', database: 'ok', tpc: 'away, mails go out later', key_value: 'ok' }]);
  });

  it('hashes passwords at the cost that is set; without a setting at 10', async () => {
    expect(loadConfig(configSchema, {}).UAC_BCRYPT_COST).toBe(10);
    await post((await kit.start({ UAC_BCRYPT_COST: '5' })).httpPort, '/auth/register', formOf(1));
    const db = openDatabase({ url: `sqlite:${kit.dir}/uac.db` });
    expect((await db('pc_uac_user').first('login_pwd')).login_pwd).toMatch(/^\$2[aby]\$05\$/);
    await db.destroy();
  });

  it('puts its own address into the links, or UAC_PUBLIC_URL', async () => {
    const { httpPort } = await kit.start();
    await post(httpPort, '/auth/register', formOf(1));
    await kit.tpc.until(() => kit.tpc.messages.length === 1);
    expect(kit.bodyOf(0).plain).toContain(`http://127.0.0.1:${httpPort}/auth/activeUser/`);
    const second = await kit.start({ UAC_PUBLIC_URL: 'https://accounts.example.com/' });
    await post(second.httpPort, '/auth/register', formOf(2));
    await kit.tpc.until(() => kit.tpc.messages.length === 2);
    expect(kit.bodyOf(1).plain).toContain('https://accounts.example.com/auth/activeUser/');
  });

  it.each([
    ['to nothing without Jaeger', {}, undefined],
    ["to Jaeger's query API", { JAEGER_URL: 'http://127.0.0.1:26686' }, 'http://127.0.0.1:26686/api/traces?service=uac&amp;limit=20'],
    [
      "to Jaeger's pages where there are some",
      { JAEGER_URL: 'http://127.0.0.1:26686', JAEGER_UI_URL: 'https://jaeger.example.com' },
      'https://jaeger.example.com/search?service=uac',
    ],
  ])('links from its pages %s', async (_where, settings, link) => {
    const service = await kit.start(settings);
    const page = await (await fetch(`http://127.0.0.1:${service.httpPort}/`)).text();
    expect(/href="([^"]+)" data-testid="traces"/.exec(page)?.[1]).toBe(link);
  });

  it('keeps users, links and sessions over restarts', async () => {
    await post((await kit.start()).httpPort, '/auth/register', formOf(1));
    const token = await kit.activationToken();
    const second = await kit.start();
    const activation = await fetch(`http://127.0.0.1:${second.httpPort}/auth/activeUser/${token}`, { method: 'POST' });
    expect(await activation.json()).toMatchObject({ code: 200 });
    const { result } = await post(second.httpPort, '/auth/form', { loginName: 'User1', loginPwd: 'correct horse' });
    const third = await kit.start();
    expect(await post(third.httpPort, '/auth/user/refreshToken', { refreshToken: result.refreshToken })).toMatchObject({ code: 200 });
  });

  describe('with UAC_ACTIVATE_BY_GET', () => {
    const isActive = async (port: number) => (await post(port, '/auth/checkEmailActive/user1@example.com', {})).result as unknown;

    it("activates by a program's GET, as the acceptance run follows the link, and never by a browser's or one that loads ahead", async () => {
      const { httpPort } = await kit.start({ UAC_ACTIVATE_BY_GET: 'true' });
      await post(httpPort, '/auth/register', formOf(1));
      const link = `http://127.0.0.1:${httpPort}/auth/activeUser/${await kit.activationToken()}`;
      expect(await (await fetch(link, { headers: { accept: 'text/html,*/*;q=0.8' } })).text()).toContain('data-testid="activate"');
      await fetch(link, { headers: { 'sec-purpose': 'prefetch' } });
      await fetch(link, { method: 'HEAD' });
      expect(await isActive(httpPort)).toBe(false);
      expect(await (await fetch(link)).json()).toMatchObject({ code: 200 });
      expect(await isActive(httpPort)).toBe(true);
    });

    it.each([{ UAC_HTTP_HOST: '0.0.0.0' }, { UAC_HTTP_HOST: '::' }])('refuses to start where others reach the pages: %o', async (more) => {
      const failure = await kit.start({ UAC_ACTIVATE_BY_GET: 'true', ...more }).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(StartError);
      expect((failure as Error).message).toMatch(/^UAC_ACTIVATE_BY_GET: only while the pages listen on a loopback address/);
    });
  });

  it.each(['UAC_HTTP_PORT', 'UAC_GRPC_PORT'])('refuses to start when %s is taken, with a line that names it', async (setting) => {
    const taken = createServer();
    const port = await new Promise<number>((resolve) => taken.listen(0, '127.0.0.1', () => resolve((taken.address() as { port: number }).port)));
    const failure = await kit.start({ [setting]: String(port) }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(StartError);
    expect((failure as Error).message).toMatch(new RegExp(`${setting}.*taken`));
    await new Promise((resolve) => taken.close(resolve));
  });

  it('with MIGRATE=check refuses an old schema and names what is missing', async () => {
    await expect(kit.start({ MIGRATE: 'check' })).rejects.toThrow(/0001_user/);
    await kit.start();
    const db = openDatabase({ url: `sqlite:${kit.dir}/uac.db` });
    await db('tpc_client_migrations').where('name', '0001_outbox').delete();
    await db.destroy();
    await expect(kit.start({ MIGRATE: 'check' })).rejects.toThrow(/0001_outbox/);
    await kit.start();
    await kit.start({ MIGRATE: 'check' });
  });

  it.each([
    [{ UAC_PUBLIC_URL: 'javascript:alert(1)' }, 'UAC_PUBLIC_URL'],
    [{ INBOX_URL: 'inbox' }, 'INBOX_URL'],
    [{ UAC_TOKEN_KEY: 'short' }, 'UAC_TOKEN_KEY'],
    [{ BIND_HOST: '0.0.0.0 --x' }, 'BIND_HOST'],
    [{ UAC_TRUST_PROXY: 'true' }, 'UAC_TRUST_PROXY'],
    [{ UAC_TRUST_PROXY: '10.0.0.0/33' }, 'UAC_TRUST_PROXY'],
    [{ UAC_TRUST_PROXY: '0.0.0.0/0' }, 'UAC_TRUST_PROXY'],
    [{ UAC_BCRYPT_COST: '40' }, 'UAC_BCRYPT_COST'],
    [{ TPC_ADDRESS: 'nowhere' }, 'TPC_ADDRESS'],
  ])('refuses the setting %o and names it', (more, key) => {
    expect(() => kit.config(more)).toThrow(key);
  });

  it.each([
    [{ BIND_HOST: '0.0.0.0' }, /^BIND_HOST="0.0.0.0": without tokens only a loopback address.*UAC_TOKENS_FILE/],
    [{ UAC_TOKENS_FILE: '/nowhere/tokens.json' }, /^UAC_TOKENS_FILE: cannot read \/nowhere\/tokens.json: ENOENT/],
    [{ TLS_CLIENT_CA_FILE: '/nowhere/ca.pem' }, /^TLS_CLIENT_CA_FILE: needs UAC_TOKENS_FILE/],
    [{ TPC_TOKEN_FILE: '/nowhere/token' }, /^TPC_TOKEN_FILE: /],
    [{ TPC_TOKEN: 'a', TPC_TOKEN_FILE: 'b' }, /^TPC_TOKEN: only one/],
    [{ TPC_CA_FILE: '/nowhere/ca.pem' }, /^TPC_CA_FILE/],
  ])('refuses to start with %o, with a line that names it', async (more, line) => {
    const failure = await kit.start(more).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(StartError);
    expect((failure as Error).message).toMatch(line);
  });

  it('takes BIND_HOST for its pages as long as UAC_HTTP_HOST says nothing else', () => {
    const { BIND_HOST, UAC_HTTP_HOST } = kit.config({ BIND_HOST: '0.0.0.0' });
    expect(UAC_HTTP_HOST ?? BIND_HOST).toBe('0.0.0.0');
  });

  it('serves its pages to the network, and UserService to this machine alone', async () => {
    const { httpPort, grpcPort } = await kit.start({ UAC_HTTP_HOST: '0.0.0.0' });
    const other = Object.values(networkInterfaces())
      .flat()
      .find((address) => address?.family === 'IPv4' && !address.internal)?.address;
    const host = other ?? '127.0.0.2';
    expect((await fetch(`http://${host}:${httpPort}/healthz`)).status).toBe(200);
    const socket = connect(grpcPort, host);
    const outcome = await new Promise((resolve) => socket.once('connect', () => resolve('connected')).once('error', () => resolve('refused')));
    socket.destroy();
    expect(outcome).toBe('refused');
  });
});
