import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formOf } from '../../test/kit.ts';
import { openServiceKit, type ServiceKit } from '../../test/service-kit.ts';

let kit: ServiceKit;
let port: number;
beforeEach(async () => {
  kit = await openServiceKit();
});
afterEach(() => kit.drop());

const start = async (more: Record<string, string> = {}) => {
  port = (await kit.start(more)).httpPort;
};
const url = (path: string) => `http://127.0.0.1:${port}${path}`;
const post = (path: string, body: object, headers: Record<string, string> = {}) =>
  fetch(url(path), { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) });
const forwarded = (ip: string) => ({ 'x-forwarded-for': ip });
const login = (loginName: string, headers?: Record<string, string>) => post('/auth/form', { loginName, loginPwd: 'guess' }, headers);
const statusOf = async (answer: Promise<Response>) => (await answer).status;

/** Bytes as they are, answer as it is. */
function raw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    let heard = '';
    socket.on('data', (data) => {
      heard += data.toString('latin1');
    });
    socket.on('close', () => resolve(heard)).on('error', reject);
  });
}

describe('headers', () => {
  it.each(['/', '/auth/checkEmailActive/x', '/nowhere', '/assets/uac.css', '/healthz'])('%s carries the headers that protect it', async (path) => {
    await start();
    const { headers } = await fetch(url(path));
    const csp =
      "default-src 'none';style-src 'self';script-src 'self';img-src 'self';connect-src 'self';form-action 'self';frame-ancestors 'none';base-uri 'none'";
    expect(Object.fromEntries(headers)).toMatchObject({
      'content-security-policy': csp,
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'same-origin',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'x-permitted-cross-domain-policies': 'none',
    });
    expect(headers.has('x-powered-by')).toBe(false);
    expect(headers.has('strict-transport-security')).toBe(false);
  });

  it('ask for https for a year where people come by https', async () => {
    await start({ UAC_PUBLIC_URL: 'https://uac.example' });
    expect((await fetch(url('/'))).headers.get('strict-transport-security')).toBe('max-age=31536000; includeSubDomains');
  });
});

describe('limits', () => {
  it('registrations of an ip: 429 with Retry-After and the envelope, before anything is done', async () => {
    await start({ UAC_REGISTER_PER_IP: '2' });
    expect(await statusOf(post('/auth/register', formOf(1)))).toBe(200);
    expect(await statusOf(post('/auth/register', formOf(2)))).toBe(200);
    const refused = await post('/auth/register', formOf(3), { 'accept-language': 'en' });
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '60']);
    expect(await refused.json()).toEqual({ code: 10011109, message: 'Too many requests: try again later.', result: null });
    expect(await (await post('/auth/checkValid', { type: 'loginName', validValue: 'User3' })).json()).toMatchObject({ result: true });
    const page = await post('/auth/register', formOf(3), { accept: 'text/html', 'accept-language': 'en' });
    expect([page.status, page.headers.get('content-type')]).toEqual([429, 'text/html; charset=utf-8']);
  });

  it('logins of an ip, whatever the names', async () => {
    await start({ UAC_LOGIN_PER_IP: '2' });
    const statuses = [];
    for (const name of ['a-1', 'a-2', 'a-3']) statuses.push(await statusOf(login(name)));
    expect(statuses).toEqual([200, 200, 429]);
  });

  const loginAs = async (name: string, ip: string, headers: Record<string, string> = {}) =>
    (await login(name, { ...forwarded(ip), ...headers })).status;

  it('logins of a name from one network, however it is written; from another one the person goes on', async () => {
    await start({ UAC_LOGIN_PER_NAME: '2', UAC_TRUST_PROXY: '1' });
    const names = ['Ada', 'ada', ' ADA '];
    const statuses = [];
    for (const name of names) statuses.push(await loginAs(name, '192.0.2.1'));
    expect(statuses).toEqual([200, 200, 429]);
    expect([await loginAs('ada', '192.0.2.2'), await loginAs('bob', '192.0.2.1')]).toEqual([200, 200]);
  });

  it('logins of a name from everywhere, but not those of a browser that has logged in before', async () => {
    await start({ UAC_LOGIN_PER_NAME: '2', UAC_LOGIN_PER_NAME_ANYWHERE: '4', UAC_TRUST_PROXY: '1' });
    await post('/auth/register', formOf(1));
    await post(`/auth/activeUser/${await kit.activationToken()}`, {});
    const right = { loginName: 'User1', loginPwd: 'correct horse' };
    const first = await post('/auth/form', right, { ...forwarded('192.0.2.9'), 'x-uac-session': 'cookie' });
    const cookie = /uac_device=[^;]+/.exec(first.headers.get('set-cookie') ?? '')?.[0] ?? '';
    expect(first.headers.get('set-cookie')).toMatch(/uac_device=[^;]+; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Strict/);
    const statuses = [];
    for (const ip of ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4']) statuses.push(await loginAs('user1', ip));
    expect(statuses).toEqual([200, 200, 200, 429]);
    expect(await statusOf(post('/auth/form', right, forwarded('192.0.2.9')))).toBe(429);
    const known = await post('/auth/form', right, { ...forwarded('192.0.2.9'), cookie });
    expect(await known.json()).toMatchObject({ code: 200 });
    expect([await loginAs('user1', '192.0.2.4', { cookie }), await loginAs('user1', '192.0.2.5', { cookie })]).toEqual([200, 429]);
  });

  it('registrations for one mailbox from one network, however its address is written', async () => {
    await start({ UAC_TRUST_PROXY: '1' });
    const register = (n: number, email: string, ip: string) => statusOf(post('/auth/register', formOf(n, { email }), forwarded(ip)));
    const statuses = [];
    for (let n = 1; n <= 11; n++) statuses.push(await register(n, `Victim+${n}@example.com`, '192.0.2.1'));
    expect(statuses.slice(-2)).toEqual([200, 429]);
    expect(await register(12, 'victim@example.com', '192.0.2.2')).toBe(200);
  });

  it('0 means any number', async () => {
    await start({ UAC_LOGIN_PER_IP: '0', UAC_LOGIN_PER_NAME: '0', UAC_LOGIN_PER_NAME_ANYWHERE: '0' });
    const statuses = await Promise.all(Array.from({ length: 210 }, () => statusOf(login('ada'))));
    expect(new Set(statuses)).toEqual(new Set([200]));
  });
});

describe('whose word counts for the ip', () => {
  const third = async (settings: Record<string, string>, headers: readonly string[]) => {
    await start({ UAC_LOGIN_PER_IP: '2', ...settings });
    const statuses = [];
    for (const [n, header] of headers.entries()) statuses.push(await statusOf(login(`name-${n}`, forwarded(header))));
    return statuses;
  };

  it('nobody: X-Forwarded-For changes nothing by default', async () => {
    expect(await third({}, ['192.0.2.1', '192.0.2.2', '192.0.2.3'])).toEqual([200, 200, 429]);
  });

  it('that of one trusted proxy: what a caller adds in front of it is not believed', async () => {
    expect(await third({ UAC_TRUST_PROXY: '1' }, ['1.1.1.1, 192.0.2.1', '2.2.2.2, 192.0.2.1', '3.3.3.3, 192.0.2.1', '192.0.2.2'])).toEqual([
      200, 200, 429, 200,
    ]);
  });

  it('that of proxies by address', async () => {
    expect(await third({ UAC_TRUST_PROXY: 'loopback' }, ['192.0.2.1', '192.0.2.1', '192.0.2.1', '192.0.2.2'])).toEqual([200, 200, 429, 200]);
    expect(await third({ UAC_TRUST_PROXY: '10.0.0.0/8' }, ['192.0.2.1', '192.0.2.2', '192.0.2.3'])).toEqual([200, 200, 429]);
  });

  it('no word that is not an address, nor ever another address of the same IPv6 network', async () => {
    expect(await third({ UAC_TRUST_PROXY: '1' }, ['a', 'b', "c' OR 1=1"])).toEqual([200, 200, 429]);
    expect(await third({ UAC_TRUST_PROXY: '1' }, ['2001:db8::1', '2001:db8::2', '2001:db8:0:0:ffff::3', '2001:db8:0:1::1'])).toEqual([
      200, 200, 429, 200,
    ]);
  });
});

describe('malformed and hostile requests', () => {
  it.each([
    ['a body over 64 KiB', { 'content-type': 'application/json' }, JSON.stringify({ loginName: 'x'.repeat(70_000) }), 413],
    ['a form over 64 KiB', { 'content-type': 'application/x-www-form-urlencoded' }, `loginName=${'x'.repeat(70_000)}`, 413],
    ['JSON that pollutes prototypes', { 'content-type': 'application/json' }, '{"__proto__": {"admin": true}}', 400],
    ['XML', { 'content-type': 'application/xml' }, '<x/>', 415],
  ])('refuses %s', async (_, headers, body, status) => {
    await start();
    expect((await fetch(url('/auth/form'), { method: 'POST', headers, body })).status).toBe(status);
  });

  it('lets nobody split an answer or set a cookie by a line break', async () => {
    await start();
    for (const path of ['/?lang=en%0d%0aset-cookie:%20a=b', '/login?lang=en%0aset-cookie:%20a=b', '/nowhere%0d%0aset-cookie:%20a=b']) {
      const answer = await fetch(url(path), { headers: { accept: 'text/html' } });
      expect(answer.headers.get('set-cookie') ?? '').not.toContain('a=b');
    }
  });

  it.each([
    ['two lengths', 'content-length: 2\r\ncontent-length: 3\r\n\r\n{}'],
    ['a length beside chunks (request smuggling)', 'content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /me HTTP/1.1\r\n\r\n'],
    ['a bare line feed in a header', 'x-a: 1\ntransfer-encoding: chunked\r\n\r\n'],
    ['a header of 17 KB', `x-a: ${'a'.repeat(17_000)}\r\n\r\n`],
    ['a zero byte', 'x-a: \0\r\n\r\n'],
  ])('closes on %s', async (_, rest) => {
    await start();
    const heard = await raw(`POST /auth/form HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n${rest}`);
    expect(heard).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(heard.match(/HTTP\/1\.1 /g)).toHaveLength(1);
  });
});
