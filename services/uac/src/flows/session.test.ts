import { run } from '@tpc/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CLIENT, count, DATABASES, formOf, outcomes, startTestUac, type TestUac } from '../../test/kit.ts';
import { createPasswords, type Passwords } from '../adapters/passwords.ts';
import { newSecretToken } from '../domain/secret-token.ts';

const EMAIL = 'User1@Example.com';
const RIGHT = { loginName: 'User1', loginPwd: 'correct horse' };

describe.each(DATABASES)('login and session on %s', (_name, open) => {
  let uac: TestUac;
  beforeEach(async () => {
    uac = await startTestUac(open);
    await uac.flows.register(formOf(1), 'zh');
  });
  afterEach(() => uac.drop());

  const activate = async () => uac.activate(await uac.tokenFor(EMAIL));
  const login = () => uac.flows.login(RIGHT, CLIENT);

  it('gives an active user tokens, and records the login', async () => {
    await activate();
    const { user, tokens } = await uac.flows.login({ ...RIGHT, loginName: ' USER1 ' }, CLIENT);
    expect(await uac.accessTokens.verify(tokens.accessToken)).toMatchObject({ userId: user.id, loginName: 'User1' });
    expect(await uac.flows.userOfSession(tokens.refreshToken)).toMatchObject({ id: user.id });
    expect(await count(uac.db, 'uac_login_log', "outcome = 'SUCCESS' AND ip = '127.0.0.1'")).toBe(1);
    expect(await count(uac.db, 'pc_uac_user', "last_login_ip = '127.0.0.1' AND last_login_time IS NOT NULL")).toBe(1);
  });

  it('stores no token that opens anything', async () => {
    await activate();
    const { tokens } = await login();
    const { rows } = await run<{ token_hash: Buffer }>(uac.db, 'SELECT token_hash FROM uac_refresh_token');
    expect(rows[0]?.token_hash.toString('base64url')).not.toBe(tokens.refreshToken);
  });

  it('answers an unknown name and a wrong password alike, and compares a hash for both', async () => {
    await activate();
    const compared: (string | undefined)[] = [];
    const passwords: Passwords = {
      hash: async () => '',
      matches: async (_password, hash) => {
        compared.push(hash);
        return false;
      },
    };
    const flows = uac.flowsWith({ passwords });
    const all = await outcomes([
      flows.login({ ...RIGHT, loginName: 'nobody' }, CLIENT),
      flows.login({ ...RIGHT, loginPwd: 'wrong' }, CLIENT),
      flows.login({ ...RIGHT, loginName: "' OR 1=1 --" }, CLIENT),
    ]);
    expect(all).toEqual(['UAC10011016', 'UAC10011016', 'UAC10011016']);
    expect(compared).toHaveLength(3);
  });

  it('tells only who knows the password that the user is not active', async () => {
    await expect(uac.flows.login({ ...RIGHT, loginPwd: 'wrong' }, CLIENT)).rejects.toMatchObject({ reason: 'UAC10011016' });
    await expect(login()).rejects.toMatchObject({ reason: 'UAC10011106' });
    await activate();
    await run(uac.db, "UPDATE pc_uac_user SET status = 'DISABLE'");
    await expect(login()).rejects.toMatchObject({ reason: 'UAC10011107' });
    expect(await count(uac.db, 'uac_session')).toBe(0);
  });

  it.each([
    [{ loginName: '', loginPwd: 'x' }, 'UAC10011007'],
    [{ loginName: 'x', loginPwd: '' }, 'UAC10011014'],
  ])('refuses %o with %s', async (credentials, reason) => {
    await expect(uac.flows.login(credentials, CLIENT)).rejects.toMatchObject({ reason });
  });

  it('does not take a password that bcrypt would cut to the right one', async () => {
    // 24 characters of 3 bytes: all of the 72 bytes that bcrypt reads.
    const longest = '密'.repeat(24);
    await uac.flows.register(formOf(2, { loginPwd: longest, confirmPwd: longest }), 'zh');
    await uac.activate(await uac.tokenFor('User2@Example.com'));
    const loginWith = (loginPwd: string) => uac.flows.login({ loginName: 'User2', loginPwd }, CLIENT);
    expect(await outcomes([`${longest}x`, `${longest}\0`, longest].map(loginWith))).toEqual(['UAC10011016', 'UAC10011016', 'ok']);
  });

  it('takes the password in either normal form, also for a hash that is older than that rule', async () => {
    const [composed, decomposed] = ['crème brûlée'.normalize('NFC'), 'crème brûlée'.normalize('NFD')];
    await uac.flows.register(formOf(2, { loginPwd: decomposed, confirmPwd: composed }), 'zh');
    await uac.activate(await uac.tokenFor('User2@Example.com'));
    const loginWith = (loginPwd: string) => uac.flows.login({ loginName: 'User2', loginPwd }, CLIENT);
    expect(await outcomes([composed, decomposed].map(loginWith))).toEqual(['ok', 'ok']);
    const old = await (await createPasswords(4)).hash(decomposed);
    await run(uac.db, "UPDATE pc_uac_user SET login_pwd = ? WHERE login_name_key = 'user2'", [old]);
    expect(await outcomes([composed, decomposed].map(loginWith))).toEqual(['ok', 'ok']);
  });

  it('rotates a refresh token: the new one works, the old one does not', async () => {
    await activate();
    const { tokens } = await login();
    const next = await uac.flows.refresh(tokens.refreshToken);
    await expect(uac.flows.refresh(tokens.refreshToken)).rejects.toMatchObject({ reason: 'UAC10011108' });
    expect(await outcomes([uac.flows.refresh(next.refreshToken)])).toEqual(['ok']);
  });

  it('gives new tokens to one of ten requests that show the same token at once, and keeps the session', async () => {
    await activate();
    const { tokens } = await login();
    const all = await outcomes(Array.from({ length: 10 }, () => uac.flows.refresh(tokens.refreshToken)));
    expect(all.filter((outcome) => outcome === 'ok')).toHaveLength(1);
    expect(await count(uac.db, 'uac_session', 'ended_at IS NULL')).toBe(1);
  });

  it('ends the session when a used token comes again later', async () => {
    await activate();
    const { tokens } = await login();
    const next = await uac.flows.refresh(tokens.refreshToken);
    await run(uac.db, 'UPDATE uac_refresh_token SET used_at = used_at - 60000 WHERE used_at IS NOT NULL');
    await expect(uac.flows.refresh(tokens.refreshToken)).rejects.toMatchObject({ reason: 'UAC10011108' });
    await expect(uac.flows.refresh(next.refreshToken)).rejects.toMatchObject({ reason: 'UAC10011108' });
    expect(await count(uac.db, 'uac_session', "end_reason = 'TOKEN_REUSED'")).toBe(1);
  });

  it('refuses a token that is unknown, too old, or of a user who was disabled', async () => {
    await activate();
    await expect(uac.flows.refresh(newSecretToken())).rejects.toMatchObject({ reason: 'UAC10011108' });
    const old = (await login()).tokens.refreshToken;
    await run(uac.db, 'UPDATE uac_refresh_token SET expires_at = 1');
    await expect(uac.flows.refresh(old)).rejects.toMatchObject({ reason: 'UAC10011108' });
    const disabled = (await login()).tokens.refreshToken;
    await run(uac.db, "UPDATE pc_uac_user SET status = 'DISABLE'");
    expect(await uac.flows.userOfSession(disabled)).toBeUndefined();
    await expect(uac.flows.refresh(disabled)).rejects.toMatchObject({ reason: 'UAC10011108' });
  });

  it('signs out, and again without harm', async () => {
    await activate();
    const { tokens } = await login();
    await uac.flows.signOut(tokens.refreshToken);
    await uac.flows.signOut(tokens.refreshToken);
    await uac.flows.signOut('no token');
    expect(await uac.flows.userOfSession(tokens.refreshToken)).toBeUndefined();
    await expect(uac.flows.refresh(tokens.refreshToken)).rejects.toMatchObject({ reason: 'UAC10011108' });
  });

  it('says what is free and who is active', async () => {
    const { isFree, isActive } = uac.flows;
    expect(await isFree('loginName', 'USER1')).toBe(false);
    expect(await isFree('mobileNo', '+8613800000001')).toBe(true);
    expect(await isFree('email', 'other@example.com')).toBe(true);
    expect(await isActive('email', EMAIL)).toBe(false);
    await activate();
    expect(await isActive('email', EMAIL)).toBe(true);
    expect(await isActive('mobileNo', '8613800000001')).toBe(true);
    expect([await isFree('email', EMAIL), await isFree('mobileNo', '+8613800000001')]).toEqual([false, false]);
    await expect(isFree('email', ' ')).rejects.toMatchObject({ reason: 'UAC10011105' });
    await expect(isActive('mobileNo', '1')).rejects.toMatchObject({ reason: 'UAC10011103' });
  });
});
