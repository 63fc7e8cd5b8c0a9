import { afterAll, beforeAll, expect, it } from 'vitest';
import { Product, until } from '../support/product.ts';

const PASSWORD = 'Str0ng-pass!';
const NAME = 'discreetann';
const ADDRESS = 'discreet.ann@example.com';
const MOBILE = '13987654321';

let product: Product;
beforeAll(async () => {
  product = await Product.make({ LOG_LEVEL: 'trace' });
  await product.start();
});
afterAll(async () => {
  await product.end('SIGTERM');
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

it('logs no token, password, address, number or text of a mail, at the lowest level, whatever a person does', async () => {
  const race = await Promise.all(Array.from({ length: 8 }, () => ask('/auth/register', form)));
  expect(race.filter(({ code }) => code === 200)).toHaveLength(1);
  const secrets = [PASSWORD, 'another-Pass1', NAME, ADDRESS, MOBILE, '登录名', 'Dear ', '尊敬的', await activationToken(1)];
  await ask('/auth/register', { ...form, loginName: 'someoneelse', email: 'not an address' });
  await ask('/auth/resendActivationMail', { email: ADDRESS });
  const token = await activationToken(2);
  expect((await ask(`/auth/activeUser/${token}`)).code).toBe(200);
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
  await product.end('SIGTERM');
  expect(product.output).toContain('"level":20');
  for (const secret of secrets) {
    expect(secret).not.toBe('');
    for (const shown of [secret, encodeURIComponent(secret), Buffer.from(secret).toString('hex'), Buffer.from(secret).toString('base64')])
      expect(product.output.toLowerCase()).not.toContain(shown.toLowerCase());
  }
});
