import { run } from '@tpc/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { count, DATABASES, formOf, HOUR_MS, outcomes, startTestUac, type TestUac } from '../../test/kit.ts';
import { newSecretToken } from '../domain/secret-token.ts';

const EMAIL = 'User1@Example.com';

describe.each(DATABASES)('activate on %s', (_name, open) => {
  let uac: TestUac;
  let token: string;
  beforeEach(async () => {
    uac = await startTestUac(open);
    await uac.flows.register(formOf(1), 'zh');
    token = await uac.tokenFor(EMAIL);
  });
  afterEach(() => uac.drop());

  const successMails = async () => (await uac.mails()).filter((mail) => mail.tag === 'ACTIVE_USER_SUCCESS');

  it('enables the user, gives role and group, uses the token up and sends the success mail', async () => {
    expect(await uac.activate(token)).toMatchObject({ already: false, user: { status: 'ENABLE', loginName: 'User1' } });
    expect(await count(uac.db, 'pc_uac_user', "status = 'ENABLE' AND activated_at IS NOT NULL")).toBe(1);
    expect(await count(uac.db, 'pc_uac_role_user', 'role_id = 10000')).toBe(1);
    expect(await count(uac.db, 'pc_uac_group_user', 'group_id = 1')).toBe(1);
    expect(await count(uac.db, 'uac_activation_token', 'used_at IS NOT NULL')).toBe(1);
    expect(await successMails()).toMatchObject([{ to: EMAIL, subject: '您的账号已激活' }]);
  });

  it('tells a second click that the user is active, and does nothing', async () => {
    await uac.activate(token);
    expect(await uac.activate(token)).toMatchObject({ already: true });
    expect(await successMails()).toHaveLength(1);
  });

  it('activates once when twenty clicks come at the same moment', async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => uac.activate(token)));
    expect(all.filter(({ already }) => !already)).toHaveLength(1);
    expect(await successMails()).toHaveLength(1);
  });

  it.each([
    ['unknown', () => newSecretToken()],
    ['no token at all', () => 'x'],
    ['empty', () => ''],
  ])('refuses a token that is %s with UAC10011030', async (_what, other) => {
    await expect(uac.activate(other())).rejects.toMatchObject({ reason: 'UAC10011030' });
  });

  it('refuses a token that is too old by the clock of the database', async () => {
    await run(uac.db, 'UPDATE uac_activation_token SET expires_at = created_at - 1');
    await expect(uac.activate(token)).rejects.toMatchObject({ reason: 'UAC10011030' });
    expect(await count(uac.db, 'pc_uac_user', "status = 'ENABLE'")).toBe(0);
  });

  it("counts the time that the mail may wait on its way into the link's life", async () => {
    const flows = uac.flowsWith({ activationLifeMs: 60_000, activationWaitMs: 3 * HOUR_MS });
    await flows.register(formOf(2), 'en');
    const { rows } = await run<{ life: number | string }>(uac.db, 'SELECT expires_at - created_at AS life FROM uac_activation_token ORDER BY 1');
    expect(Number(rows[0]?.life)).toBe(60_000 + 3 * HOUR_MS);
    const [said] = (await uac.mails()).slice(-1);
    expect(said?.plain).toContain('for 1 minute after this mail was sent');
  });

  it('refuses with UAC10011004 when the user is gone', async () => {
    await run(uac.db, 'DELETE FROM pc_uac_user');
    await expect(uac.activate(token)).rejects.toMatchObject({ reason: 'UAC10011004' });
  });

  it('brings nobody back whom an operator has disabled, and keeps the token for the record', async () => {
    await run(uac.db, 'UPDATE pc_uac_user SET activated_at = 1');
    await expect(uac.activate(token)).rejects.toMatchObject({ reason: 'UAC10011038' });
    expect(await count(uac.db, 'pc_uac_user', "status = 'ENABLE'")).toBe(0);
    expect(await count(uac.db, 'uac_activation_token', 'used_at IS NULL')).toBe(1);
    expect(await successMails()).toHaveLength(0);
  });
});

describe.each(DATABASES)('resend the activation mail on %s', (_name, open) => {
  let uac: TestUac;
  beforeEach(async () => {
    uac = await startTestUac(open);
  });
  afterEach(() => uac.drop());

  it.each(['older', 'newer'])('sends a new link and leaves the one before good: either may arrive first; the %s one activates', async (which) => {
    await uac.flows.register(formOf(1), 'zh');
    const older = await uac.tokenFor(EMAIL);
    await uac.flows.resendActivationMail(' user1@example.com ', 'en', '10.0.0.1');
    const newer = await uac.tokenFor(EMAIL);
    expect(newer).not.toBe(older);
    const [used, left] = which === 'older' ? [older, newer] : [newer, older];
    expect(await uac.activate(used)).toMatchObject({ already: false });
    expect(await uac.activate(left)).toMatchObject({ already: true });
  });

  it('answers the same for an unknown and for an active address, and sends nothing', async () => {
    await uac.flows.register(formOf(1), 'zh');
    await uac.activate(await uac.tokenFor(EMAIL));
    const before = await count(uac.db, 'tpc_outbox');
    expect(await uac.flows.resendActivationMail(EMAIL, 'zh', '10.0.0.1')).toBeUndefined();
    expect(await uac.flows.resendActivationMail('nobody@example.com', 'zh', '10.0.0.1')).toBeUndefined();
    expect(await count(uac.db, 'tpc_outbox')).toBe(before);
  });

  it('limits a mailbox, however its address is written', async () => {
    const resend = (email: string) => uac.flows.resendActivationMail(email, 'zh', '');
    const all = await outcomes(
      ['ann@example.com', 'ANN+news@example.com', 'a.nn@example.com', 'j.o.e+1@gmail.com', 'joe@googlemail.com'].map(resend),
    );
    expect(all).toEqual(['ok', 'UAC10011109', 'ok', 'ok', 'UAC10011109']);
  });

  it('limits an address, known or not, and an ip', async () => {
    await uac.flows.resendActivationMail('nobody@example.com', 'zh', '10.0.0.1');
    await expect(uac.flows.resendActivationMail('NOBODY@example.com', 'zh', '10.0.0.2')).rejects.toMatchObject({
      reason: 'UAC10011109',
      retryAfterMs: 60_000,
    });
    for (let n = 0; n < 30; n++) await uac.flows.resendActivationMail(`user${n}@example.com`, 'zh', '10.0.0.3');
    await expect(uac.flows.resendActivationMail('other@example.com', 'zh', '10.0.0.3')).rejects.toMatchObject({ reason: 'UAC10011109' });
  });

  it('goes on without limits while the key-value store is away', async () => {
    const away = { ...uac.keyValue, increment: () => Promise.reject(new Error('away')) };
    const flows = uac.flowsWith({ keyValue: away });
    await flows.register(formOf(1), 'zh');
    await flows.resendActivationMail(EMAIL, 'zh', '10.0.0.1');
    await flows.resendActivationMail(EMAIL, 'zh', '10.0.0.1');
    expect(await uac.mails()).toHaveLength(3);
  });

  it.each([
    ['', 'UAC10011018'],
    ['x', 'UAC10011102'],
  ])('refuses the address %j with %s', async (email, reason) => {
    await expect(uac.flows.resendActivationMail(email, 'zh', '10.0.0.1')).rejects.toMatchObject({ reason });
  });

  it('activates once when several links are asked for and the user clicks meanwhile', async () => {
    await uac.flows.register(formOf(1), 'zh');
    const first = await uac.tokenFor(EMAIL);
    const flows = uac.flowsWith({ keyValue: { ...uac.keyValue, increment: async () => 1 } });
    const clicks = Array.from({ length: 4 }, () => uac.activate(first));
    const resends = Array.from({ length: 8 }, () => flows.resendActivationMail(EMAIL, 'zh', '10.0.0.1'));
    expect(new Set(await outcomes([...resends, ...clicks]))).toEqual(new Set(['ok']));
    expect((await Promise.all(clicks)).filter(({ already }) => !already)).toHaveLength(1);
    expect(await count(uac.db, 'uac_activation_token', 'used_at IS NOT NULL')).toBe(1);
    expect((await uac.mails()).filter(({ tag }) => tag === 'ACTIVE_USER_SUCCESS')).toHaveLength(1);
  });
});
