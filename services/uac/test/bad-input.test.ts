import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { IdentityKind, UserServiceService } from '@tpc/gen/uac/v1/user_service';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formOf } from './kit.ts';
import { openServiceKit, type ServiceKit } from './service-kit.ts';
import { connectUac, refusalOf, type UserClient } from './user-client.ts';

const { INVALID_ARGUMENT: INVALID, NOT_FOUND, UNAUTHENTICATED } = status;
const BIG = 'x'.repeat(60_000);
const FULL_WIDTH_NAME = 'Ｕｓｅｒ１';
const { IDENTITY_KIND_UNSPECIFIED: NONE, IDENTITY_KIND_LOGIN_NAME: NAME, IDENTITY_KIND_EMAIL: EMAIL, IDENTITY_KIND_MOBILE: MOBILE } = IdentityKind;
const UNKNOWN = 99 as IdentityKind;

/** Kind of fault, method, request, status, reason, field. */
type Row = [kind: 'missing' | 'oversized' | 'wrong', method: keyof UserClient, request: object, code: status, reason: string, field: string];

const form = (partial: object) => ({ ...formOf(1), language: '', ...partial });
const password = (text: string) => form({ loginPwd: text, confirmPwd: text });

const registerRows: Row[] = [
  ['missing', 'register', form({ loginName: '' }), INVALID, 'UAC10011007', 'login_name'],
  ['missing', 'register', form({ loginName: ' \u3000' }), INVALID, 'UAC10011007', 'login_name'],
  ['missing', 'register', form({ email: '' }), INVALID, 'UAC10011018', 'email'],
  ['missing', 'register', form({ loginPwd: '' }), INVALID, 'UAC10011014', 'login_pwd'],
  ['missing', 'register', form({ confirmPwd: '' }), INVALID, 'UAC10011009', 'confirm_pwd'],
  ['missing', 'register', form({ registerSource: '' }), INVALID, 'UAC10011017', 'register_source'],
  ['oversized', 'register', form({ loginName: BIG }), INVALID, 'UAC10011101', 'login_name'],
  ['oversized', 'register', form({ email: `${'x'.repeat(65)}@example.com` }), INVALID, 'UAC10011102', 'email'],
  ['oversized', 'register', form({ email: `a@${'x.'.repeat(130)}example.com` }), INVALID, 'UAC10011102', 'email'],
  ['oversized', 'register', form({ mobileNo: '1'.repeat(1_000) }), INVALID, 'UAC10011103', 'mobile_no'],
  ['oversized', 'register', password('p'.repeat(65)), INVALID, 'UAC10011104', 'login_pwd'],
  ['oversized', 'register', password('密'.repeat(25)), INVALID, 'UAC10011104', 'login_pwd'],
  ['oversized', 'register', form({ registerSource: BIG }), INVALID, 'UAC10011017', 'register_source'],
  ['wrong', 'register', form({ loginName: FULL_WIDTH_NAME }), INVALID, 'UAC10011101', 'login_name'],
  ['wrong', 'register', form({ email: 'ann＠example.com' }), INVALID, 'UAC10011102', 'email'],
  ['wrong', 'register', form({ email: '用户@例子.中国' }), INVALID, 'UAC10011114', 'email'],
  ['wrong', 'register', form({ email: 'ann@example.com\r\nBcc: bob@example.com' }), INVALID, 'UAC10011102', 'email'],
  ['wrong', 'register', form({ mobileNo: '１３８００１３８０００' }), INVALID, 'UAC10011103', 'mobile_no'],
  ['wrong', 'register', form({ mobileNo: '+8612800138000' }), INVALID, 'UAC10011103', 'mobile_no'],
  ['wrong', 'register', password('with\ta tab'), INVALID, 'UAC10011104', 'login_pwd'],
  ['wrong', 'register', password('nul\0inside'), INVALID, 'UAC10011104', 'login_pwd'],
  ['wrong', 'register', form({ confirmPwd: 'another horse' }), INVALID, 'UAC10011010', 'confirm_pwd'],
  ['wrong', 'register', form({ registerSource: 'a b' }), INVALID, 'UAC10011017', 'register_source'],
];

const ROWS: Row[] = [
  ...registerRows,
  ['missing', 'activateUser', { token: '', language: '', loginPwd: '' }, NOT_FOUND, 'UAC10011030', 'token'],
  ['oversized', 'activateUser', { token: BIG, language: BIG, loginPwd: BIG }, NOT_FOUND, 'UAC10011030', 'token'],
  ['wrong', 'activateUser', { token: `${'a'.repeat(42)}!`, language: '', loginPwd: '' }, NOT_FOUND, 'UAC10011030', 'token'],
  ['missing', 'resendActivationMail', { email: '', language: '' }, INVALID, 'UAC10011018', 'email'],
  ['oversized', 'resendActivationMail', { email: `${BIG}@example.com`, language: '' }, INVALID, 'UAC10011102', 'email'],
  ['wrong', 'resendActivationMail', { email: 'jörg@example.com', language: '' }, INVALID, 'UAC10011114', 'email'],
  ['wrong', 'resendActivationMail', { email: 'ann', language: '' }, INVALID, 'UAC10011102', 'email'],
  ['missing', 'checkAvailability', { kind: NONE, value: 'x' }, INVALID, 'UAC10011017', 'kind'],
  ['missing', 'checkAvailability', { kind: NAME, value: '' }, INVALID, 'UAC10011105', 'value'],
  ['oversized', 'checkAvailability', { kind: EMAIL, value: BIG }, INVALID, 'UAC10011102', 'value'],
  ['wrong', 'checkAvailability', { kind: UNKNOWN, value: 'x' }, INVALID, 'UAC10011017', 'kind'],
  ['wrong', 'checkAvailability', { kind: NAME, value: FULL_WIDTH_NAME }, INVALID, 'UAC10011101', 'value'],
  ['missing', 'checkActive', { kind: NONE, value: 'x' }, INVALID, 'UAC10011017', 'kind'],
  ['missing', 'checkActive', { kind: MOBILE, value: ' ' }, INVALID, 'UAC10011105', 'value'],
  ['oversized', 'checkActive', { kind: MOBILE, value: BIG }, INVALID, 'UAC10011103', 'value'],
  ['wrong', 'checkActive', { kind: NAME, value: 'x' }, INVALID, 'UAC10011017', 'kind'],
  ['wrong', 'checkActive', { kind: UNKNOWN, value: 'x' }, INVALID, 'UAC10011017', 'kind'],
  ['missing', 'login', { loginName: '', loginPwd: 'x' }, INVALID, 'UAC10011007', 'login_name'],
  ['missing', 'login', { loginName: 'user1', loginPwd: '' }, INVALID, 'UAC10011014', 'login_pwd'],
  ['missing', 'refreshToken', { refreshToken: '' }, UNAUTHENTICATED, 'UAC10011108', 'refresh_token'],
  ['oversized', 'refreshToken', { refreshToken: BIG }, UNAUTHENTICATED, 'UAC10011108', 'refresh_token'],
  ['wrong', 'refreshToken', { refreshToken: 'nonsense' }, UNAUTHENTICATED, 'UAC10011108', 'refresh_token'],
];

describe('bad input to UserService over gRPC', () => {
  let kit: ServiceKit;
  let client: UserClient;
  let port: number;
  beforeAll(async () => {
    kit = await openServiceKit();
    ({ grpcPort: port } = await kit.start());
    client = connectUac(port);
  });
  afterAll(async () => {
    client.close();
    await kit.drop();
  });

  it.each(ROWS.map((row) => [`${row[1]} with ${row[0]} ${row[5]}`, row] as const))(
    '%s is refused',
    async (_, [, method, request, code, reason, field]) => {
      const refused = await refusalOf((client[method] as (request: object) => Promise<unknown>)(request));
      expect(refused).toMatchObject({ code, reason, domain: 'uac' });
      expect(refused.fields).toContain(field);
    },
  );

  it.each([
    ['an oversized name', { loginName: BIG, loginPwd: 'x' }],
    ['an oversized password', { loginName: 'user1', loginPwd: BIG }],
    ['a name that cannot be one', { loginName: FULL_WIDTH_NAME, loginPwd: 'x' }],
  ])('answers a login with %s as any wrong one, and names no field', async (_what, request) => {
    expect(await refusalOf(client.login(request))).toMatchObject({ code: UNAUTHENTICATED, reason: 'UAC10011016' });
  });

  it('answers a sign-out of any token', async () => {
    for (const refreshToken of ['', 'nonsense', BIG]) expect(await client.signOut({ refreshToken })).toEqual({});
  });

  it.each(Object.keys(UserServiceService) as (keyof typeof UserServiceService)[])('%s refuses what is no message, or too large', async (method) => {
    const raw = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), { 'grpc.max_send_message_length': -1 });
    const send = (bytes: Buffer) =>
      new Promise((resolve, reject) =>
        raw.makeUnaryRequest(
          UserServiceService[method].path,
          (value: Buffer) => value,
          (value) => value,
          bytes,
          (error: ServiceError | null, answer) => (error ? reject(error) : resolve(answer)),
        ),
      );
    expect(await refusalOf(send(Buffer.from([0xff, 0xff, 0xff])))).toMatchObject({ code: INVALID, reason: 'MALFORMED_REQUEST' });
    expect(await refusalOf(send(Buffer.alloc(4 * 1024 * 1024 + 1)))).toMatchObject({ code: INVALID, reason: 'REQUEST_TOO_LARGE' });
    raw.close();
  });
});
