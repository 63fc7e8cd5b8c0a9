import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { MessageAdminServiceService } from '@tpc/gen/tpc/v1/message_admin_service';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startSpanSink } from '../../bench/tracing.ts';
import { type Callers, callersOf, outgoing } from '../../services/tpc/test/support.ts';
import { Product } from '../support/product.ts';
import { until } from '../support/until.ts';

const PASSWORD = 'Str0ng-pass!';
const NAME = 'discreetann';
const ADDRESS = 'discreet.ann@example.com';
const MOBILE = '13987654321';

const BODY = 'what-only-the-receiver-may-read';
const TOKEN = 'tpc_a-token-that-nobody-asked-for';

let product: Product;
let tpc: Callers;
let collector: Awaited<ReturnType<typeof startSpanSink>>;
const exported: Buffer[] = [];
beforeAll(async () => {
  collector = await startSpanSink((request) => exported.push(Buffer.from(request)));
  product = await Product.make({ LOG_LEVEL: 'trace', OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint });
  await product.start();
  tpc = callersOf(Number(product.ports.TPC_GRPC_PORT));
});
afterAll(async () => {
  tpc?.client.close();
  await product.end('SIGTERM');
  await collector.stop();
});

const form = { loginName: NAME, loginPwd: PASSWORD, confirmPwd: PASSWORD, email: ADDRESS, mobileNo: MOBILE, registerSource: 'PC' };

/** One request to UAC; answers with the envelope. */
async function ask(path: string, fields?: Record<string, string>): Promise<{ code: number; result: Record<string, string> }> {
  const response = await fetch(`${product.uac}${path}`, fields && { method: 'POST', body: new URLSearchParams(fields) });
  return (await response.json()) as never;
}

/** Token of the newest activation mail. */
async function activationToken(mails: number): Promise<string> {
  const [newest] = await until('the mail', async () => {
    const found = await product.mails();
    return found.length >= mails && found;
  });
  const mail = (await (await fetch(`${product.inbox}/api/v1/message/${newest?.ID}`)).json()) as { HTML: string };
  return /activeUser\/([A-Za-z0-9_-]{43})/.exec(mail.HTML)?.[1] as string;
}

/** Messages of other producers whose contents the mail handler refuses, in one way or another; each dies, and says why without its words. */
async function sendBadMails(): Promise<void> {
  const mail = { to: [ADDRESS], subject: BODY, text: BODY };
  const bodies = [BODY, JSON.stringify({ ...mail, to: [`${BODY} <${ADDRESS}`] }), JSON.stringify({ ...mail, subject: `${BODY}\n${ADDRESS}` })];
  for (const [n, text] of bodies.entries()) {
    const message = outgoing({ messageKey: `PID_HAND:bad${n}`, text });
    await tpc.messages.saveAndSendMessage({ producerGroup: 'PID_HAND', storeId: 's', message, committed: true });
  }
  await until('the messages are dead', async () => (await product.messages({ states: [50] })).length === bodies.length);
  // Refused before they are stored.
  const refused = outgoing({ messageKey: 'no good key', text: BODY, headers: { 'x-note': BODY } });
  await tpc.messages.saveAndSendMessage({ producerGroup: 'PID_HAND', storeId: 's', message: refused }).catch(() => undefined);
}

/** A call that is refused, with a token that it does not need. */
async function callWithToken(): Promise<void> {
  const client = new Client(product.tpc, credentials.createInsecure());
  const { path, requestSerialize, responseDeserialize } = MessageAdminServiceService.getMessage;
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${TOKEN}`);
  await new Promise((resolve) =>
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, { messageKey: '', includeBody: false }, metadata, resolve),
  );
  client.close();
}

async function metrics(): Promise<string> {
  const { TPC_METRICS_PORT, UAC_METRICS_PORT, OPC_METRICS_PORT } = product.ports;
  const pages = [TPC_METRICS_PORT, UAC_METRICS_PORT, OPC_METRICS_PORT].map((port) => fetch(`http://127.0.0.1:${port}/metrics`));
  return (await Promise.all((await Promise.all(pages)).map((page) => page.text()))).join('\n');
}

it('shows no token, password, address, number or text of a mail in a log, metric or span, at the lowest level, whatever a person does', async () => {
  const race = await Promise.all(Array.from({ length: 8 }, () => ask('/auth/register', form)));
  expect(race.filter(({ code }) => code === 200)).toHaveLength(1);
  const secrets = [BODY, TOKEN, PASSWORD, 'another-Pass1', NAME, ADDRESS, MOBILE, '登录名', 'Dear ', '尊敬的', await activationToken(1)];
  await ask('/auth/register', { ...form, loginName: 'someoneelse', email: 'not an address' });
  await ask('/auth/resendActivationMail', { email: ADDRESS });
  const token = await activationToken(2);
  expect((await ask(`/auth/activeUser/${token}`, {})).code).toBe(200);
  await ask(`/auth/activeUser/${token}`);
  await ask(`/auth/checkEmailActive/${ADDRESS}`);
  await ask('/auth/form', { loginName: NAME, loginPwd: 'another-Pass1' });
  const login = await ask('/auth/form', { loginName: NAME, loginPwd: PASSWORD });
  expect(login.code).toBe(200);
  const { accessToken = '', refreshToken = '' } = login.result;
  const refreshed = await ask(`/auth/user/refreshToken?refreshToken=${refreshToken}`);
  secrets.push(token, accessToken, refreshToken, refreshed.result.accessToken ?? '', refreshed.result.refreshToken ?? '');
  await ask('/auth/logout', { refreshToken: refreshed.result.refreshToken ?? '' });
  await until('the success mail', async () => (await product.mails()).length === 3);
  await sendBadMails();
  await callWithToken();
  const shown = await metrics();
  await product.end('SIGTERM');
  expect(product.output).toContain('"level":20');
  for (const line of ['a message was published', 'a message was handled', 'a message has finally failed']) expect(product.output).toContain(line);
  const spans = Buffer.concat(exported).toString();
  for (const name of ['SMTP send', 'POST /auth/form', '/auth/activeUser/']) expect(spans).toContain(name);
  const output = `${product.output}\n${shown}\n${spans}`.toLowerCase();
  for (const secret of secrets) {
    expect(secret).not.toBe('');
    for (const form of [secret, encodeURIComponent(secret), Buffer.from(secret).toString('hex'), Buffer.from(secret).toString('base64')])
      expect(output).not.toContain(form.toLowerCase());
  }
});
