import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import nodemailer from 'nodemailer';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type MailCatcher, type MailCatcherOptions, startMailCatcher } from './catcher.ts';

let folder: string;
let catcher: MailCatcher | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mail-catcher-'));
});
afterEach(async () => {
  await catcher?.stop();
  catcher = undefined;
  rmSync(folder, { recursive: true });
});

const file = () => join(folder, 'data', 'mail.db');

async function start(options: Partial<MailCatcherOptions> = {}): Promise<MailCatcher> {
  catcher = await startMailCatcher({ file: file(), smtpPort: 0, httpPort: 0, ...options });
  return catcher;
}

function send(smtpPort: number, over: object = {}): Promise<{ response: string }> {
  const letter = { from: 'a@example.com', to: 'b@example.com', subject: 'hello', text: 'text', html: '<a href="http://x/">x</a>', ...over };
  return nodemailer.createTransport({ host: '127.0.0.1', port: smtpPort }).sendMail(letter);
}

function get(path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(`http://127.0.0.1:${catcher?.httpPort}${path}`, init);
}

async function failure(starting: Promise<unknown>): Promise<string> {
  const error = await starting.then(
    () => new Error('it started'),
    (reason: Error) => reason,
  );
  expect(error.message).not.toContain('\n');
  return error.message;
}

describe('starting the mail catcher', () => {
  it('names the port that is taken, and leaves nothing running', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    expect(await failure(start({ smtpPort: port }))).toBe(`SMTP: cannot listen on 127.0.0.1:${port}: the port is taken`);
    expect(await failure(start({ httpPort: port }))).toBe(`inbox page: cannot listen on 127.0.0.1:${port}: the port is taken`);
    other.close();
    await start();
  });

  it('names the file that it cannot write', async () => {
    writeFileSync(join(folder, 'plain'), 'x');
    expect(await failure(start({ file: join(folder, 'plain', 'mail.db') }))).toContain(`mail store ${join(folder, 'plain', 'mail.db')}: `);
    expect(await failure(start({ file: folder }))).toContain(`mail store ${folder}: the file cannot be written`);
  });

  it('refuses a file that is no mail store, and leaves it as it is', async () => {
    const foreign = join(folder, 'foreign.db');
    new Database(foreign).exec('CREATE TABLE t (a)').close();
    writeFileSync(join(folder, 'text'), 'not a database, but long enough to be read as one'.repeat(100));
    expect(await failure(start({ file: foreign }))).toBe(`mail store ${foreign}: the file is the database of another program`);
    expect(await failure(start({ file: join(folder, 'text') }))).toBe(`mail store ${join(folder, 'text')}: the file is not a SQLite database`);
    expect(new Database(foreign).prepare('SELECT name FROM sqlite_schema').pluck().all()).toEqual(['t']);
  });

  it('refuses a file that another catcher has open', async () => {
    await start();
    const second = startMailCatcher({ file: file(), smtpPort: 0, httpPort: 0 });
    expect(await failure(second)).toBe(`mail store ${file()}: the file is in use by another process`);
  });
});

describe('the mail catcher', () => {
  it('has the mail that it answered 250 after it is killed with -9', async () => {
    const module = new URL('./catcher.ts', import.meta.url).href;
    const program = `import { startMailCatcher } from '${module}';
      console.log((await startMailCatcher({ file: '${file()}', smtpPort: 0, httpPort: 0 })).smtpPort);`;
    const child = spawn(process.execPath, ['--conditions=tpc-source', '--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await once(child.stdout, 'data');
    expect((await send(Number(line))).response).toMatch(/^250 /);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await start();
    expect(await (await get('/api/v1/messages')).json()).toMatchObject({ total: 1, messages: [{ Subject: 'hello' }] });
  });

  it("refuses on demand: by the address, and by Mailpit's chaos triggers", async () => {
    const { smtpPort } = await start();
    await expect(send(smtpPort, { to: 'refuse-554-5.7.1@example.com' })).rejects.toMatchObject({ response: expect.stringMatching(/^554 5\.7\.1 /) });
    const put = (body: object) => get('/api/v1/chaos', { method: 'PUT', body: JSON.stringify(body) });
    const off = { Sender: { ErrorCode: 451, Probability: 0 }, Recipient: { ErrorCode: 451, Probability: 0 } };
    expect(await (await get('/api/v1/chaos')).json()).toMatchObject(off);
    const refused = { Sender: { ErrorCode: 550, Probability: 100 } };
    expect(await (await put(refused)).json()).toMatchObject({ ...off, ...refused });
    await expect(send(smtpPort)).rejects.toMatchObject({ responseCode: 550, command: 'MAIL FROM' });
    await put({ Recipient: { ErrorCode: 450, Probability: 100 } });
    await expect(send(smtpPort)).rejects.toMatchObject({ responseCode: 450, command: 'RCPT TO' });
    const wrong = await put({ Sender: { ErrorCode: 250 } });
    expect([wrong.status, await wrong.text()]).toEqual([400, 'Sender.ErrorCode must be a whole number from 400 to 599']);
    await put({});
    expect((await send(smtpPort)).response).toMatch(/^250 /);
  });

  it('speaks the language that the browser asks for, and keeps the choice of the switch, which is that of the registration pages', async () => {
    await start({ links: [{ label: { en: 'Register', zh: '注册' }, url: 'http://127.0.0.1:3000/' }] });
    const page = async (path: string, headers: Record<string, string>) => {
      const answer = await get(path, { headers });
      return { html: await answer.text(), cookie: answer.headers.get('set-cookie') };
    };
    expect((await page('/', { 'accept-language': 'en-GB,en;q=0.9' })).html).toMatch(/<html lang="en">.*Delete all.*No mail yet/s);
    expect((await page('/', { 'accept-language': 'zh-CN' })).html).toMatch(/<html lang="zh-CN">.*注册.*全部删除.*还没有邮件/s);
    expect((await page('/message/none', { 'accept-language': 'zh-CN' })).html).toContain('这封邮件不在这里');
    const chosen = await page('/?lang=en', { 'accept-language': 'zh-CN' });
    expect(chosen.html).toContain('<html lang="en">');
    expect(chosen.cookie).toMatch(/^uac_lang=en; .*Path=\/; HttpOnly; SameSite=Lax$/);
    expect((await page('/', { 'accept-language': 'zh-CN', cookie: 'a=b; uac_lang=en' })).html).toContain('<html lang="en">');
    expect((await page('/?lang=%22%3E%3Cscript%3E', { 'accept-language': 'zh-CN' })).html).toContain('<html lang="zh-CN">');
  });

  it('tells open pages at once that a mail came', async () => {
    const { smtpPort } = await start();
    const stream = await get('/api/v1/events');
    expect(stream.headers.get('content-type')).toBe('text/event-stream');
    const reader = (stream.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
    await send(smtpPort);
    let seen = '';
    while (!seen.includes('event: mail')) {
      const { done, value } = await reader.read();
      if (done) break;
      seen += value;
    }
    expect(seen).toContain('"Subject":"hello"');
    await reader.cancel();
  });

  it('shows the HTML of a mail under a policy that runs no scripts, and its attachments too', async () => {
    const { smtpPort } = await start();
    await send(smtpPort, { attachments: [{ filename: '页.html', content: '<script>alert(1)</script>', contentType: 'text/html' }] });
    const view = await get('/view/latest.html');
    expect(view.headers.get('content-security-policy')).toMatch(/^sandbox .*default-src 'none'/);
    expect(await view.text()).toContain('<a target="_blank" rel="noopener noreferrer" href="http://x/">');
    const { Attachments } = (await (await get('/api/v1/message/latest')).json()) as { Attachments: { PartID: string; FileName: string }[] };
    expect(Attachments).toMatchObject([{ FileName: '页.html' }]);
    const part = await get(`/api/v1/message/latest/part/${Attachments[0]?.PartID}`);
    expect(part.headers.get('content-security-policy')).toMatch(/^sandbox /);
    expect(await part.text()).toContain('alert(1)');
  });

  it('says in words what is not there', async () => {
    await start();
    const unknown = await get('/api/v1/message/nobody');
    expect([unknown.status, await unknown.text()]).toEqual([404, 'message not found: nobody']);
    const page = await get('/message/%3Cscript%3E');
    expect(page.status).toBe(404);
    expect(await page.text()).toContain('<code id="unknown-id">&lt;script&gt;</code>');
    expect((await get('/nowhere')).status).toBe(404);
  });

  it('deletes the mails that are named, all without a body, and none for a body that it cannot read', async () => {
    const { smtpPort } = await start();
    for (const subject of ['1', '2', '3']) await send(smtpPort, { subject });
    const { messages } = (await (await get('/api/v1/messages')).json()) as { messages: { ID: string }[] };
    const remove = async (body?: string) => {
      const headers = { 'content-type': 'application/json' };
      const { status } = await get('/api/v1/messages', { method: 'DELETE', headers, ...(body === undefined ? {} : { body }) });
      return [status, ((await (await get('/api/v1/info')).json()) as { Messages: number }).Messages];
    };
    expect(await remove('{"IDs": [')).toEqual([400, 3]);
    expect(await remove('{"IDs": "x"}')).toEqual([400, 3]);
    expect(await remove('null')).toEqual([400, 3]);
    expect(await remove(JSON.stringify({ IDs: [messages[0]?.ID] }))).toEqual([200, 2]);
    expect(await remove()).toEqual([200, 0]);
  });

  it('answers no foreign host name on loopback, so that a web page elsewhere cannot read the mails', async () => {
    const { httpPort } = await start();
    const { request } = await import('node:http');
    const statusFor = async (host: string) => {
      const [response] = await once(request({ port: httpPort, host: '127.0.0.1', path: '/api/v1/messages', headers: { host } }).end(), 'response');
      response.resume();
      return response.statusCode;
    };
    expect(await statusFor(`evil.example:${httpPort}`)).toBe(403);
    expect(await statusFor(`localhost:${httpPort}`)).toBe(200);
    expect(await statusFor('[::1]')).toBe(200);
  });

  it('is alive and ready, and serves its page without anything from elsewhere', async () => {
    await start({ links: [{ label: { en: 'Register', zh: '注册' }, url: 'http://127.0.0.1:3000/' }] });
    expect([(await get('/livez')).status, (await get('/readyz')).status]).toEqual([200, 200]);
    const html = await (await get('/')).text();
    expect(html).toContain(`<code>127.0.0.1:${catcher?.smtpPort}</code>`);
    expect(html).toContain('<a href="http://127.0.0.1:3000/">注册</a>');
    const loaded = [...html.matchAll(/(?:src|<link[^>]* href)="([^"]+)"/g)].map(([, url]) => url as string);
    expect(loaded.length).toBeGreaterThan(2);
    for (const url of loaded) expect([url, (await get(url)).status]).toEqual([url, 200]);
  });

  // Told not to guess (nosniff), a browser runs no script and takes no style of another type.
  it.each([
    ['/', 'text/html; charset=utf-8'],
    ['/assets/inbox.css', 'text/css; charset=utf-8'],
    ['/assets/mail.css', 'text/css; charset=utf-8'],
    ['/assets/inbox.js', 'text/javascript; charset=utf-8'],
    ['/assets/message.js', 'text/javascript; charset=utf-8'],
    ['/assets/format.js', 'text/javascript; charset=utf-8'],
    ['/assets/texts.js', 'text/javascript; charset=utf-8'],
    ['/assets/icon.svg', 'image/svg+xml'],
    ['/api/v1/messages', 'application/json; charset=utf-8'],
    ['/api/v1/message/latest', 'application/json; charset=utf-8'],
    ['/api/v1/message/latest/raw', 'text/plain; charset=utf-8'],
    ['/view/latest.html', 'text/html; charset=utf-8'],
    ['/view/latest.txt', 'text/plain; charset=utf-8'],
  ])('says of %s that it is %s, and that no browser is to guess', async (path, type) => {
    await send((await start()).smtpPort);
    const { status, headers } = await get(path);
    expect([status, headers.get('content-type'), headers.get('x-content-type-options')]).toEqual([200, type, 'nosniff']);
  });

  it('serves no other file of its folder, and none beside it', async () => {
    await start();
    for (const name of ['inbox.eta', '..%2F..%2Fpackage.json', 'toString', '__proto__', '']) {
      const { status, headers } = await get(`/assets/${name}`);
      expect([name, status, headers.get('x-content-type-options')]).toEqual([name, 404, 'nosniff']);
    }
  });
});
