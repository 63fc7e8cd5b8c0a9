import { Client, credentials, status } from '@grpc/grpc-js';
import { HealthService } from '@tpc/gen/grpc/health/v1/health';
import { IdentityKind, UserStatus } from '@tpc/gen/uac/v1/user_service';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formOf } from '../../test/kit.ts';
import { openServiceKit, type ServiceKit } from '../../test/service-kit.ts';
import { connectUac, refusalOf, type UserClient } from '../../test/user-client.ts';

const { IDENTITY_KIND_EMAIL: EMAIL } = IdentityKind;
const EMPTY = { loginName: '', loginPwd: '', confirmPwd: '', email: '', mobileNo: '', registerSource: '', language: '' };

describe('UserService', () => {
  let kit: ServiceKit;
  let client: UserClient;
  let port: number;
  beforeEach(async () => {
    kit = await openServiceKit();
    ({ grpcPort: port } = await kit.start());
    client = connectUac(port);
  });
  afterEach(async () => {
    client.close();
    await kit.drop();
  });

  it('does the whole job: register, activate, log in, refresh, sign out', async () => {
    const { user } = await client.register({ ...formOf(1), language: 'en' });
    expect(user).toMatchObject({ loginName: 'User1', status: UserStatus.USER_STATUS_DISABLE });
    expect(user?.id).toBeGreaterThan(BigInt(Number.MAX_SAFE_INTEGER));
    const activation = { token: await kit.activationToken(), language: '', loginPwd: '' };
    expect((await client.activateUser(activation)).user).toMatchObject({ id: user?.id, status: UserStatus.USER_STATUS_ENABLE });
    expect(await refusalOf(client.activateUser(activation))).toMatchObject({ code: status.NOT_FOUND, reason: 'UAC10011030' });
    const { tokens } = await client.login({ loginName: 'user1', loginPwd: 'correct horse' });
    expect(tokens?.refreshExpireTime?.getTime()).toBeGreaterThan(tokens?.accessExpireTime?.getTime() ?? Number.POSITIVE_INFINITY);
    const next = await client.refreshToken({ refreshToken: tokens?.refreshToken ?? '' });
    const last = { refreshToken: next.tokens?.refreshToken ?? '' };
    await client.signOut(last);
    expect(await refusalOf(client.refreshToken(last))).toMatchObject({ code: status.UNAUTHENTICATED, reason: 'UAC10011108' });
  });

  it('writes mails in the language of the request, Chinese without one', async () => {
    await client.register({ ...formOf(1), language: 'en' });
    await client.register({ ...formOf(2), language: '' });
    await kit.tpc.until(() => kit.tpc.messages.length === 2);
    expect([kit.bodyOf(0).subject, kit.bodyOf(1).subject].sort()).toEqual(['Activate your account', '请激活您的账号']);
  });

  it('names every wrong field as the .proto file does, the first one deciding the reason', async () => {
    expect(await refusalOf(client.register(EMPTY))).toEqual({
      code: status.INVALID_ARGUMENT,
      reason: 'UAC10011007',
      name: 'LOGIN_NAME_MISSING',
      domain: 'uac',
      fields: ['login_name', 'email', 'login_pwd', 'confirm_pwd', 'register_source'],
    });
  });

  it('refuses what is taken with ALREADY_EXISTS and an inactive user with PERMISSION_DENIED', async () => {
    await client.register({ ...formOf(1), language: '' });
    expect(await refusalOf(client.register({ ...formOf(1), language: '' }))).toMatchObject({ code: status.ALREADY_EXISTS, reason: 'UAC10011012' });
    const credentials = { loginName: 'User1', loginPwd: 'correct horse' };
    expect(await refusalOf(client.login(credentials))).toMatchObject({ code: status.PERMISSION_DENIED, reason: 'UAC10011106' });
    expect(await client.checkAvailability({ kind: IdentityKind.IDENTITY_KIND_LOGIN_NAME, value: 'USER1' })).toEqual({ available: false });
    expect(await client.checkAvailability({ kind: EMAIL, value: 'user1@example.com' })).toEqual({ available: true });
    expect(await client.checkActive({ kind: EMAIL, value: 'user1@example.com' })).toEqual({ active: false });
    await client.activateUser({ token: await kit.activationToken(), language: '', loginPwd: '' });
    expect(await client.checkAvailability({ kind: EMAIL, value: 'user1@example.com' })).toEqual({ available: false });
  });

  it('reports health by grpc.health.v1', async () => {
    const health = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
    const { path, requestSerialize, responseDeserialize } = HealthService.check;
    const check = (service: string) =>
      new Promise((resolve, reject) =>
        health.makeUnaryRequest(path, requestSerialize, responseDeserialize, { service }, (error, answer) =>
          error ? reject(error) : resolve(answer?.status),
        ),
      );
    expect(await Promise.all(['', 'uac.v1.UserService', 'database'].map(check))).toEqual([1, 1, 1]);
    health.close();
  });
});
