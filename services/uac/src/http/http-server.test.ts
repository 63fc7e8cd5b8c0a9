// biome-ignore-all lint/style/noExcessiveLinesPerFile: its tests share the server that its beginning opens
import { createNoopMeter } from '@opentelemetry/api';
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DATABASES, formOf, startTestUac, type TestUac } from '../../test/kit.ts';
import { createRateLimiter } from '../flows/rate-limit.ts';
import { createHttpServer } from './http-server.ts';

const [[, openSqlite]] = DATABASES as [(typeof DATABASES)[number]];
const EN = { 'accept-language': 'en' };
const PAGE = { accept: 'text/html,application/xhtml+xml' };
const TYPES = { css: 'text/css; charset=utf-8', js: 'text/javascript; charset=utf-8', svg: 'image/svg+xml' };
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

let uac: TestUac;
let app: FastifyInstance;
let publicUrl = 'http://uac.test';
let ready = true;

async function open(): Promise<void> {
  uac = await startTestUac(openSqlite);
  app = await createHttpServer({
    meter: createNoopMeter(),
    flows: uac.flows,
    health: async () => ({ ready, parts: { database: ready ? 'ok' : 'away', tpc: 'ok' } }),
    publicUrl: () => publicUrl,
    inboxUrl: 'http://inbox.test/',
    trustProxy: false,
    activationLifeMs: 90 * 60_000,
    ipLimits: { limit: createRateLimiter(uac.keyValue, uac.log), registerPerMinute: 30, loginPerMinute: 30 },
    log: uac.log,
  });
}

async function close(): Promise<void> {
  await app.close();
  await uac.drop();
}

const post = (url: string, payload: string | object, headers = {}): Promise<LightMyRequestResponse> =>
  app.inject({ method: 'POST', url, payload, headers });
const get = (url: string, headers = {}): Promise<LightMyRequestResponse> => app.inject({ method: 'GET', url, headers });
const registered = async (n = 1) => post('/auth/register', formOf(n));
const activated = async (n = 1) => {
  await registered(n);
  await post(`/auth/activeUser/${await uac.tokenFor(`User${n}@Example.com`)}`, '');
};
const login = (headers = {}) => post('/auth/form', { loginName: 'User1', loginPwd: 'correct horse' }, headers);
const cookieOf = (response: LightMyRequestResponse) => response.cookies.find(({ name }) => name.endsWith('uac_refresh'));

describe('paths of the original', () => {
  beforeEach(open);
  afterEach(close);

  it('register by JSON and by form, answered with the envelope', async () => {
    const json = await registered(1);
    expect(json.statusCode).toBe(200);
    expect(json.json()).toMatchObject({ code: 200, message: '操作成功', result: { loginName: 'User1', status: 'DISABLE', id: expect.any(String) } });
    const form = await post('/auth/register', new URLSearchParams(formOf(2)).toString(), FORM);
    expect(form.json()).toMatchObject({ code: 200, result: { loginName: 'User2' } });
  });

  it('answer a refusal with HTTP 200, the code as a number, and its text in the language asked for', async () => {
    await registered();
    const zh = await registered();
    expect([zh.statusCode, zh.json()]).toMatchObject([200, { code: 10011012, message: '登录名已存在', result: null }]);
    const en = await post('/auth/register', formOf(1), EN);
    const taken = { code: 10011012, message: 'This login name is taken.' };
    expect(en.json()).toEqual({ ...taken, result: null, errors: [{ field: 'loginName', ...taken }] });
    expect((await post('/auth/register', {})).json()).toMatchObject({ code: 10011007 });
  });

  it('tell all that is wrong with a registration in one round: what is missing, malformed and taken', async () => {
    await activated();
    const wrong = formOf(2, { loginName: 'user1', email: 'USER1@example.com', mobileNo: '12345678901', loginPwd: 'short', confirmPwd: 'shorter' });
    const { errors } = (await post('/auth/register', wrong, EN)).json() as { errors: { field: string; code: number }[] };
    expect(errors.map(({ field, code }) => [field, code])).toEqual([
      ['confirmPwd', 10011010],
      ['mobileNo', 10011103],
      ['loginPwd', 10011104],
      ['loginName', 10011012],
      ['email', 10011019],
    ]);
  });

  it('send the mail in the language of who registers', async () => {
    await post('/auth/register', formOf(1), EN);
    expect(await uac.mails()).toMatchObject([{ subject: 'Activate your account' }]);
  });

  it('checkValid: true when free, else false with the reason', async () => {
    await activated();
    const check = (type: string, validValue: string) => post('/auth/checkValid', { type, validValue }).then((response) => response.json());
    expect(await check('loginName', 'user1')).toEqual({ code: 200, message: '用户名已存在', result: false });
    expect(await check('email', 'USER1@example.com')).toEqual({ code: 200, message: '邮箱已存在', result: false });
    expect(await check('mobileNo', '13800000001')).toEqual({ code: 200, message: '手机号码已存在', result: false });
    expect(await check('email', 'other@example.com')).toEqual({ code: 200, message: '操作成功', result: true });
    expect(await check('colour', 'red')).toMatchObject({ code: 10011017 });
    expect(await check('email', '')).toMatchObject({ code: 10011105 });
  });

  it.each(['GET', 'POST'] as const)('checkPhoneActive and checkEmailActive by %s', async (method) => {
    await registered();
    const check = (url: string) => app.inject({ method, url }).then((response) => response.json().result);
    expect(await check('/auth/checkEmailActive/user1%40example.com')).toBe(false);
    await post(`/auth/activeUser/${await uac.tokenFor('User1@Example.com')}`, '');
    expect(await check('/auth/checkEmailActive/user1%40example.com')).toBe(true);
    expect(await check('/auth/checkPhoneActive/%2B8613800000001')).toBe(true);
    expect(await check('/auth/checkPhoneActive/13900000000')).toBe(false);
  });

  it('resendActivationMail answers the same whether the address is known or not, and 429 when asked too often', async () => {
    await registered();
    const known = await post('/auth/resendActivationMail', { email: 'user1@example.com' });
    const unknown = await post('/auth/resendActivationMail', { email: 'nobody@example.com' });
    expect(known.json()).toEqual(unknown.json());
    expect(await uac.mails()).toHaveLength(2);
    const again = await post('/auth/resendActivationMail', { email: 'user1@example.com' });
    expect([again.statusCode, again.headers['retry-after'], again.json().code]).toEqual([429, '60', 10011109]);
  });
});

describe('the activation link', () => {
  beforeEach(open);
  afterEach(close);

  const link = async () => `/auth/activeUser/${await uac.tokenFor('User1@Example.com')}`;

  const isActive = async () => (await post('/auth/checkEmailActive/user1@example.com', '')).json().result;

  it('tells a program what POST would do, and by POST activates once, then UAC10011030', async () => {
    await registered();
    const url = await link();
    const said = (await get(url, EN)).json();
    expect(said).toEqual({
      code: 200,
      message: 'The link works: send a POST to this address, and the account is active.',
      result: { loginName: 'User1', status: 'DISABLE', activateBy: 'POST', passwordNeeded: false },
    });
    expect(await isActive()).toBe(false);
    expect((await post(url, '')).json()).toEqual({ code: 200, message: '操作成功', result: '激活成功' });
    for (const answer of [await get(url), await post(url, {}), await get('/auth/activeUser/unknown'), await post('/auth/activeUser/unknown', '')])
      expect(answer.json()).toMatchObject({ code: 10011030, message: '激活失败, 链接已过期' });
  });

  it('gives a person a page with a button that needs no script, which activates; then active already, or too old with a way to a new mail', async () => {
    await registered();
    const url = await link();
    const page = await get(url, { ...PAGE, ...EN });
    expect(page.headers['content-type']).toContain('text/html');
    expect(page.body).toMatch(/<form class="activate" method="post" data-testid="activate-form">\s*<button class="primary" type="submit"/);
    expect(page.body).toContain('User1');
    expect(await isActive()).toBe(false);
    const pressed = await post(url, '', { ...FORM, ...PAGE, origin: 'null' });
    expect(pressed.body).toContain('data-outcome="activated"');
    for (const later of [await get(url, { ...PAGE, ...EN }), await post(url, '', { ...FORM, ...PAGE, ...EN })]) {
      expect(later.body).toContain('data-outcome="already"');
      expect(later.body).toContain('Your account is active already');
    }
    const expired = await get('/auth/activeUser/unknown', PAGE);
    expect(expired.body).toContain('data-outcome="expired"');
    expect(expired.body).toContain('href="/resend"');
  });

  it('asks for the password where the address was registered more than once', async () => {
    await registered();
    await post('/auth/register', formOf(2, { email: 'user1@example.com', loginPwd: 'battery staple', confirmPwd: 'battery staple' }));
    const url = `/auth/activeUser/${await uac.tokenFor('user1@example.com')}`;
    expect((await get(url)).json().result).toMatchObject({ loginName: 'User2', passwordNeeded: true });
    expect((await get(url, PAGE)).body).toContain('name="loginPwd"');
    const press = (loginPwd: string) => post(url, new URLSearchParams({ loginPwd }).toString(), { ...FORM, ...PAGE, ...EN });
    expect((await press('')).body).toMatch(/id="loginPwd-error"[^>]*>This address was registered more than once/);
    expect((await press('correct horse')).body).toMatch(/id="loginPwd-error"[^>]*>This is not the password/);
    expect((await post(url, {})).json()).toMatchObject({ code: 10011112 });
    expect((await post(url, { loginPwd: 'correct horse' })).json()).toMatchObject({ code: 10011113 });
    expect(await isActive()).toBe(false);
    expect((await press('battery staple')).body).toContain('data-outcome="activated"');
  });

  it.each([
    ['HEAD', {}],
    ['GET', {}],
    ['GET', PAGE],
    [
      'GET',
      { accept: 'text/html,application/xhtml+xml,*/*;q=0.8', 'user-agent': 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/120 Safari/537.36' },
    ],
    ['GET', { 'sec-purpose': 'prefetch' }],
    ['GET', { 'sec-purpose': 'prefetch;prerender' }],
    ['GET', { purpose: 'prefetch', ...PAGE }],
    ['GET', { 'x-moz': 'prefetch' }],
  ] as const)('changes nothing on %s with %o', async (method, headers) => {
    await registered();
    const url = await link();
    const response = await app.inject({ method, url, headers });
    expect(response.statusCode).toBe(200);
    expect(await isActive()).toBe(false);
    expect(await uac.mails()).toHaveLength(1);
    expect((await post(url, '')).json()).toMatchObject({ code: 200 });
  });

  it('tells nobody its address, and is kept nowhere', async () => {
    await registered();
    const { headers } = await get(await link(), PAGE);
    expect(headers['referrer-policy']).toBe('no-referrer');
    expect(headers['cache-control']).toBe('no-store');
  });
});

describe('login and session', () => {
  beforeEach(open);
  afterEach(close);

  it('give a program the tokens in the body and no cookie', async () => {
    await activated();
    const response = await login();
    expect(response.json()).toMatchObject({
      code: 200,
      result: { tokenType: 'Bearer', accessToken: expect.any(String), refreshToken: expect.any(String) },
    });
    expect(response.cookies).toEqual([]);
    expect((await post('/auth/form', 'username=user1&password=correct+horse', FORM)).json()).toMatchObject({ code: 200 });
  });

  it('give a page the refresh token in a cookie that scripts and other sites do not get, and not in the body', async () => {
    await activated();
    const response = await login({ 'x-uac-session': 'cookie' });
    expect(cookieOf(response)).toMatchObject({ httpOnly: true, sameSite: 'Strict', path: '/' });
    expect(response.json().result).not.toHaveProperty('refreshToken');
    expect(response.body).not.toContain(cookieOf(response)?.value);
  });

  it('mark the cookie Secure and bind it to the host where UAC is reached by https', async () => {
    await activated();
    publicUrl = 'https://uac.test';
    try {
      const response = await login({ 'x-uac-session': 'cookie' });
      expect(cookieOf(response)).toMatchObject({ name: '__Host-uac_refresh', secure: true });
      expect(response.headers['strict-transport-security']).toContain('max-age');
    } finally {
      publicUrl = 'http://uac.test';
    }
  });

  it('refuse a wrong password with 10011016 and an inactive user with 10011106', async () => {
    await registered();
    expect((await post('/auth/form', { loginName: 'User1', loginPwd: 'wrong' })).json()).toMatchObject({
      code: 10011016,
      message: '用户名或密码错误',
    });
    expect((await login()).json()).toMatchObject({ code: 10011106 });
  });

  it.each<[string, (token: string) => InjectOptions]>([
    ['body', (refreshToken) => ({ method: 'POST', payload: { refreshToken } })],
    ['Authorization', (token) => ({ method: 'GET', headers: { authorization: `Bearer ${token}` } })],
    ['query', (token) => ({ method: 'GET', query: { refreshToken: token } })],
  ])('refresh with the token in the %s', async (_where, request) => {
    await activated();
    const { refreshToken } = (await login()).json().result;
    const response = await app.inject({ url: '/auth/user/refreshToken', ...request(refreshToken) });
    expect(response.json()).toMatchObject({ code: 200, result: { accessToken: expect.any(String), refreshToken: expect.any(String) } });
    expect((await app.inject({ url: '/auth/user/refreshToken', ...request(refreshToken) })).json()).toMatchObject({ code: 10011108 });
  });

  it('refresh with the cookie answers with a new cookie', async () => {
    await activated();
    const cookie = cookieOf(await login({ 'x-uac-session': 'cookie' }));
    const response = await app.inject({ method: 'POST', url: '/auth/user/refreshToken', cookies: { uac_refresh: cookie?.value ?? '' } });
    expect(response.json().result).not.toHaveProperty('refreshToken');
    expect(cookieOf(response)?.value).not.toBe(cookie?.value);
  });

  it('without a session /me leads to the login; with one it shows the user, until sign-out', async () => {
    await activated();
    expect((await get('/me', PAGE)).headers.location).toBe('/login');
    const cookies = { uac_refresh: cookieOf(await login({ 'x-uac-session': 'cookie' }))?.value ?? '' };
    const me = await app.inject({ method: 'GET', url: '/me', cookies, headers: PAGE });
    expect(me.body).toContain('User1');
    for (const url of ['/', '/login'])
      expect((await app.inject({ method: 'GET', url, cookies, headers: PAGE })).headers).toMatchObject({ location: '/me' });
    expect((await app.inject({ method: 'GET', url: '/resend', cookies, headers: PAGE })).body).toContain('href="/me"');
    expect(me.body).not.toContain('href="/login"');
    expect((await app.inject({ method: 'GET', url: '/me', cookies, headers: { ...PAGE, ...EN } })).body).toMatch(/\d{4} \(UTC\)/);
    const out = await app.inject({ method: 'POST', url: '/auth/logout', cookies, headers: PAGE });
    expect([out.statusCode, out.headers.location, cookieOf(out)?.value]).toEqual([303, '/login', '']);
    expect((await app.inject({ method: 'GET', url: '/me', cookies })).headers.location).toBe('/login');
  });
});

describe('pages without script', () => {
  beforeEach(open);
  afterEach(close);
  const send = (url: string, fields: Record<string, string>) => post(url, new URLSearchParams(fields).toString(), { ...FORM, ...PAGE, ...EN });

  it('register: the form again with all errors at their fields and what was typed but the passwords, then the mailbox', async () => {
    const bad = await send('/auth/register', formOf(1, { loginName: '"><b>x', email: 'nonsense', loginPwd: 'hunter22a' }));
    expect(bad.statusCode).toBe(200);
    expect(bad.body).toContain('value="&quot;&gt;&lt;b&gt;x"');
    expect(bad.body).not.toContain('hunter22a');
    for (const field of ['loginName', 'email', 'confirmPwd']) expect(bad.body).toMatch(new RegExp(`id="${field}-error"[^>]*>[A-Z]`));
    const good = await send('/auth/register', formOf(1));
    expect(good.body).toContain('Look into your mailbox');
    expect(good.body).toContain('once, for 90 minutes after the mail was sent');
    expect(good.body).toContain('href="http://inbox.test/"');
  });

  it('login: the form again with the error, then one leads to the account', async () => {
    await activated();
    const wrong = await send('/auth/form', { loginName: 'User1', loginPwd: 'wrong' });
    expect(wrong.body).toContain('The login name or the password is wrong.');
    const right = await send('/auth/form', { loginName: 'User1', loginPwd: 'correct horse' });
    expect([right.statusCode, right.headers.location]).toEqual([303, '/me']);
    expect(cookieOf(right)?.httpOnly).toBe(true);
  });

  it('resend: says the same for every address', async () => {
    await registered();
    const bodies = await Promise.all(['user1@example.com', 'nobody@example.com'].map((email) => send('/auth/resendActivationMail', { email })));
    const [known, unknown] = bodies.map(({ body }) => body.replaceAll(/user1@|nobody@/g, ''));
    expect(known).toBe(unknown);
    expect(known).toContain('a new mail is on its way');
  });
});

describe('HTTP', () => {
  beforeAll(open);
  afterAll(close);

  it.each<[string, number, () => Promise<LightMyRequestResponse>]>([
    ['JSON that is none', 400, () => post('/auth/register', '{', { 'content-type': 'application/json' })],
    ['a list', 400, () => post('/auth/register', [1])],
    ['a field that is an object', 400, () => post('/auth/register', { loginName: { $ne: '' } })],
    ['a field given twice', 400, () => post('/auth/register', 'loginName=a&loginName=b', FORM)],
    ['prototype pollution', 400, () => post('/auth/register', '{"__proto__":{"x":1}}', { 'content-type': 'application/json' })],
    ['more than 64 KiB', 413, () => post('/auth/register', { loginName: 'x'.repeat(70_000) })],
    ['XML', 415, () => post('/auth/register', '<x/>', { 'content-type': 'application/xml' })],
    ['an unknown path', 404, () => get('/auth/nothing')],
    ['a path with broken encoding', 400, () => get('/auth/activeUser/%E0%A4%A')],
  ])('answers %s with an envelope and %i', async (_what, statusCode, request) => {
    const response = await request();
    expect(response.statusCode).toBe(statusCode);
    expect(response.json()).toMatchObject({ code: statusCode, message: expect.any(String), result: null });
  });

  it.each([
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site', origin: 'http://evil.uac.test' },
    { origin: 'http://evil.test', host: 'uac.test' },
    { origin: 'null', host: 'uac.test' },
  ])('refuses what another site makes a browser send: %o', async (headers) => {
    for (const url of ['/auth/form', '/auth/register', '/auth/logout', '/auth/user/refreshToken'])
      expect((await post(url, {}, headers)).statusCode).toBe(403);
    expect((await get('/auth/user/refreshToken', headers)).statusCode).toBe(403);
  });

  it.each([{ 'sec-fetch-site': 'same-origin', origin: 'null' }, { origin: 'http://uac.test', host: 'uac.test' }, {}])(
    'takes what its own page or a program sends: %o',
    async (headers) => {
      expect((await post('/auth/form', {}, headers)).json()).toMatchObject({ code: 10011007 });
    },
  );

  it.each(['/', '/login', '/resend', '/nowhere', '/healthz'])('%s has the security headers', async (url) => {
    const { headers } = await get(url, PAGE);
    expect(headers['content-security-policy']).toContain("default-src 'none'");
    expect(headers['content-security-policy']).not.toContain('unsafe');
    expect(headers['x-frame-options']).toBe('DENY');
    expect(headers['x-content-type-options']).toBe('nosniff');
  });

  it.each(['/', '/login', '/resend'])('%s has no inline script or style, and serves what it loads', async (url) => {
    const { body } = await get(url, PAGE);
    expect(body).not.toMatch(/<script(?![^>]*src=)|<style|style="|onclick=/);
    for (const [, file] of body.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)) {
      const response = await get(file as string);
      const type = TYPES[/\.(\w+)\?/.exec(file as string)?.[1] as keyof typeof TYPES];
      const { 'content-type': said, 'cache-control': kept } = response.headers;
      expect([response.statusCode, said, kept]).toEqual([200, type, 'public, max-age=31536000, immutable']);
    }
  });

  it('speaks the language of Accept-Language, and keeps the choice of the switch', async () => {
    expect((await get('/', { ...PAGE, 'accept-language': 'zh-CN' })).body).toContain('创建账号');
    const switched = await get('/?lang=en', { ...PAGE, 'accept-language': 'zh-CN' });
    expect(switched.body).toContain('Create your account');
    const cookies = { uac_lang: switched.cookies.find(({ name }) => name === 'uac_lang')?.value ?? '' };
    const later = await app.inject({ method: 'GET', url: '/login', cookies, headers: { ...PAGE, 'accept-language': 'zh-CN' } });
    expect(later.body).toContain('Log in');
    expect((await get('/?lang=<script>', PAGE)).cookies).toEqual([]);
  });

  it('is ready only with its database', async () => {
    expect((await get('/healthz')).statusCode).toBe(200);
    expect((await get('/readyz')).json()).toEqual({ status: 'ok', database: 'ok', tpc: 'ok' });
    ready = false;
    expect((await get('/readyz')).statusCode).toBe(503);
    expect((await get('/healthz')).statusCode).toBe(200);
    ready = true;
  });
});
