import { TpcError } from '@tpc/client/producer';
import { FakeRefusal } from '@tpc/client/testing';
import { run } from '@tpc/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { count, DATABASES, formOf, outcomes, startTestUac, type TestUac } from '../../test/kit.ts';
import { createIdGenerator } from '../domain/id-generator.ts';
import { hashSecretToken } from '../domain/secret-token.ts';
import { toUacError } from './uac-error.ts';

describe.each(DATABASES)('register on %s', (_name, open) => {
  let uac: TestUac;
  beforeEach(async () => {
    uac = await startTestUac(open);
  });
  afterEach(() => uac.drop());

  it('stores the user disabled, the token as a hash alone, and the mail, which TPC is told to send', async () => {
    const user = await uac.flows.register(formOf(1), 'zh');
    expect(user).toMatchObject({ loginName: 'User1', email: 'User1@Example.com', status: 'DISABLE', everActive: false });
    const { rows } = await run<Record<string, unknown>>(uac.db, 'SELECT * FROM pc_uac_user');
    expect(rows[0]).toMatchObject({
      login_name_key: 'user1',
      email_key: 'user1@example.com',
      mobile_no: '+8613800000001',
      mobile_key: null,
      user_source: 'REGISTER',
    });
    expect(rows[0]?.login_pwd).toMatch(/^\$2[aby]\$04\$/);
    const [mail] = await uac.mails();
    expect(mail).toMatchObject({ tag: 'ACTIVE_USER', to: 'User1@Example.com', subject: '请激活您的账号' });
    expect(mail?.text).toContain('http://uac.test/auth/activeUser/');
    const tokens = await run<{ token_hash: Buffer }>(uac.db, 'SELECT token_hash FROM uac_activation_token');
    expect(tokens.rows[0]?.token_hash).toEqual(hashSecretToken(await uac.tokenFor('User1@Example.com')));
    await uac.tpc.until(() => uac.tpc.messages.length === 1 && uac.tpc.messages[0]?.sends === 1);
    expect(uac.tpc.messages[0]?.content).toMatchObject({ topic: 'SEND_EMAIL_TOPIC', tag: 'ACTIVE_USER', contentType: 'application/json' });
  });

  it.each([
    ['UAC10011012', { loginName: 'USER1' }],
    ['UAC10011013', { mobileNo: '+8613800000001' }],
    ['UAC10011019', { email: 'user1@EXAMPLE.COM' }],
  ])('refuses with %s what is taken, in any case or form', async (reason, changes) => {
    await uac.flows.register(formOf(1), 'zh');
    await uac.activate(await uac.tokenFor('User1@Example.com'));
    await expect(uac.flows.register(formOf(2, changes), 'zh')).rejects.toMatchObject({ reason });
    expect(await count(uac.db, 'tpc_outbox')).toBe(2);
  });

  it('lets exactly one of twenty win who register one login name at the same moment', async () => {
    const all = await outcomes(Array.from({ length: 20 }, (_, n) => uac.flows.register(formOf(n, { loginName: 'same' }), 'zh')));
    expect(all.filter((outcome) => outcome === 'ok')).toHaveLength(1);
    expect(all.filter((outcome) => outcome === 'UAC10011012')).toHaveLength(19);
    for (const table of ['pc_uac_user', 'uac_activation_token', 'tpc_outbox']) expect(await count(uac.db, table)).toBe(1);
  });

  it('takes twenty different people at once, each with a mail', async () => {
    expect(await outcomes(Array.from({ length: 20 }, (_, n) => uac.flows.register(formOf(n), 'en')))).toEqual(Array(20).fill('ok'));
    expect(new Set((await uac.mails()).map((mail) => mail.to)).size).toBe(20);
  });

  it('succeeds while TPC is away, and the mail goes out when it is back', async () => {
    uac.tpc.die();
    await uac.flows.register(formOf(1), 'zh');
    expect(await count(uac.db, 'tpc_outbox', 'state = 10')).toBe(1);
    await uac.tpc.start();
    await run(uac.db, 'UPDATE tpc_outbox SET due_at = 0');
    await uac.tpc.until(() => uac.tpc.messages[0]?.sends === 1, 25_000);
  });

  it('stores nothing when TPC refuses the message, and says that it may be tried again', async () => {
    uac.tpc.beforeItem = () => {
      throw new FakeRefusal('FAILED_PRECONDITION', 'TPC100500010', 'no subscribed group');
    };
    const failure = await uac.flows.register(formOf(1), 'zh').catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(TpcError);
    expect(toUacError(failure)).toMatchObject({ reason: 'UAC10011111' });
    for (const table of ['pc_uac_user', 'uac_activation_token', 'tpc_outbox']) expect(await count(uac.db, table)).toBe(0);
  });

  it('refuses for a while when no worker id is leased', async () => {
    const flows = uac.flowsWith({ ids: createIdGenerator(Date.now) });
    const failure = await flows.register(formOf(1), 'zh').catch((error: unknown) => error);
    expect(toUacError(failure)).toMatchObject({ reason: 'UAC10011111' });
  });
});
