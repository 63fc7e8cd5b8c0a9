import { run } from '@tpc/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CLIENT, count, DATABASES, formOf, outcomes, startTestUac, type TestUac } from '../../test/kit.ts';
import type { RegistrationForm } from '../domain/registration.ts';

const ADDRESS = 'owner@example.com';
const withPassword = (loginPwd: string) => ({ loginPwd, confirmPwd: loginPwd });
const OWNERS = formOf(1, { loginName: 'owner', email: ADDRESS, ...withPassword('password of the owner') });
const STRANGERS = formOf(2, { loginName: 'stranger', email: ADDRESS, ...withPassword('password of the stranger') });

describe.each(DATABASES)('an address that a stranger registers, on %s', (_name, open) => {
  let uac: TestUac;
  beforeEach(async () => {
    uac = await startTestUac(open);
  });
  afterEach(() => uac.drop());

  const register = (form: RegistrationForm) => uac.flows.register(form, 'zh');
  const login = (form: RegistrationForm) => uac.flows.login(form, CLIENT);
  /** Registers; answers with the token that the mail carries. */
  const tokenOf = async (form: RegistrationForm) => {
    await register(form);
    return uac.tokenFor(form.email);
  };

  it('is the owner’s again by the owner’s own registration, and the stranger’s mail activates nothing', async () => {
    const strangers = await tokenOf(STRANGERS);
    const owners = await tokenOf(OWNERS);
    await expect(uac.activate(strangers, OWNERS.loginPwd)).rejects.toMatchObject({ reason: 'UAC10011030' });
    await expect(uac.flows.readActivationLink(strangers)).rejects.toMatchObject({ reason: 'UAC10011030' });
    expect(await uac.activate(owners, OWNERS.loginPwd)).toMatchObject({ already: false, user: { loginName: 'owner' } });
    expect((await login(OWNERS)).user.email).toBe(ADDRESS);
    expect(await outcomes([login(STRANGERS)])).toEqual(['UAC10011016']);
    expect(await count(uac.db, 'pc_uac_user')).toBe(1);
  });

  it('does not let the owner activate the stranger’s password, though the stranger registers after the owner', async () => {
    await tokenOf(OWNERS);
    const newest = await tokenOf(STRANGERS);
    expect(await uac.flows.readActivationLink(newest)).toMatchObject({ user: { loginName: 'stranger', contested: true } });
    expect((await uac.mails()).at(-1)?.plain).toContain('不止一次');
    expect(await outcomes([uac.activate(newest), uac.activate(newest, OWNERS.loginPwd)])).toEqual(['UAC10011112', 'UAC10011113']);
    expect(await outcomes([login(STRANGERS), login(OWNERS)])).toEqual(['UAC10011106', 'UAC10011016']);
    const again = await tokenOf(OWNERS);
    await uac.activate(again, OWNERS.loginPwd);
    expect(await outcomes([login(OWNERS), login(STRANGERS)])).toEqual(['ok', 'UAC10011016']);
  });

  it('is not the stranger’s when the owner’s try arrives between the look at the link and the activation', async () => {
    const token = await tokenOf(STRANGERS);
    const { producer } = uac;
    const late = uac.flowsWith({
      producer: {
        transaction: async (work) => {
          await run(uac.db, 'UPDATE pc_uac_user SET contested = 1');
          return producer.transaction(work);
        },
      },
    });
    expect(await outcomes([late.activate({ token, password: '', language: 'zh' })])).toEqual(['UAC10011112']);
    expect(await outcomes([login(STRANGERS)])).toEqual(['UAC10011106']);
    expect(await outcomes([uac.activate(token, STRANGERS.loginPwd)])).toEqual(['ok']);
  });

  it('stays contested when the stranger registers it twice with one password', async () => {
    await register(OWNERS);
    await register(STRANGERS);
    const newest = await tokenOf({ ...STRANGERS, loginName: 'stranger2' });
    expect(await outcomes([uac.activate(newest)])).toEqual(['UAC10011112']);
  });

  it('bears no endless guesses of the password with one link', async () => {
    await register(STRANGERS);
    const token = await tokenOf(OWNERS);
    for (let n = 0; n < 10; n++) expect(await outcomes([uac.activate(token, `guess ${n} of it`)])).toEqual(['UAC10011113']);
    expect(await outcomes([uac.activate(token, OWNERS.loginPwd)])).toEqual(['UAC10011109']);
  });

  it('gives the owner the same login name, too', async () => {
    await register({ ...STRANGERS, loginName: 'owner' });
    const token = await tokenOf(OWNERS);
    await uac.activate(token, OWNERS.loginPwd);
    expect(await outcomes([login(OWNERS), login({ ...STRANGERS, loginName: 'owner' })])).toEqual(['ok', 'UAC10011016']);
  });

  it('asks one who registers again with the same password for nothing more', async () => {
    const first = await tokenOf(OWNERS);
    const second = await tokenOf({ ...OWNERS, loginName: 'owner-2' });
    expect(await outcomes([uac.activate(first), uac.activate(second)])).toEqual(['UAC10011030', 'ok']);
  });

  it('takes the very same registration once: it is sent again when an answer was lost', async () => {
    await register(OWNERS);
    expect(await outcomes([register(OWNERS), register({ ...OWNERS, mobileNo: '' })])).toEqual(['UAC10011012', 'ok']);
    expect(await count(uac.db, 'tpc_outbox')).toBe(2);
  });

  it('sends a new link only for the newest registration', async () => {
    await register(STRANGERS);
    await register(OWNERS);
    await uac.flows.resendActivationMail(ADDRESS, 'zh', '10.0.0.1');
    const resent = await uac.tokenFor(ADDRESS);
    expect(await outcomes([uac.activate(resent), uac.activate(resent, OWNERS.loginPwd)])).toEqual(['UAC10011112', 'ok']);
  });

  it('counts as free until it is active; a login name is held as long as its link works', async () => {
    const { isFree } = uac.flows;
    const token = await tokenOf(STRANGERS);
    expect([await isFree('email', ADDRESS), await isFree('mobileNo', STRANGERS.mobileNo), await isFree('loginName', 'STRANGER')]).toEqual([
      true,
      true,
      false,
    ]);
    await run(uac.db, 'UPDATE uac_activation_token SET expires_at = 1');
    expect(await isFree('loginName', 'stranger')).toBe(true);
    expect(await outcomes([register(formOf(3, { loginName: 'stranger' }))])).toEqual(['ok']);
    await expect(uac.activate(token)).rejects.toMatchObject({ reason: 'UAC10011030' });
    await uac.activate(await uac.tokenFor(formOf(3).email));
    expect([await isFree('email', formOf(3).email), await isFree('mobileNo', formOf(3).mobileNo), await isFree('loginName', 'stranger')]).toEqual([
      false,
      false,
      false,
    ]);
  });

  it('stays contested when the stranger takes the login name of a registration whose link is too old', async () => {
    await register(OWNERS);
    await run(uac.db, 'UPDATE uac_activation_token SET expires_at = 1');
    await register({ ...STRANGERS, loginName: OWNERS.loginName, email: 'stranger@example.com' });
    const mails = (await uac.mails()).length;
    await uac.flows.resendActivationMail(ADDRESS, 'zh', '10.0.0.1');
    expect((await uac.mails()).length).toBe(mails);
    const newest = await tokenOf(STRANGERS);
    expect(await outcomes([uac.activate(newest), uac.activate(newest, OWNERS.loginPwd)])).toEqual(['UAC10011112', 'UAC10011113']);
    const again = await tokenOf({ ...OWNERS, loginName: 'owner-2' });
    await uac.activate(again, OWNERS.loginPwd);
    expect(await outcomes([login({ ...OWNERS, loginName: 'owner-2' }), login(STRANGERS)])).toEqual(['ok', 'UAC10011016']);
  });

  it('is contested by an owner who was refused, for the login name or for too many tries', async () => {
    await register({ ...STRANGERS, loginName: OWNERS.loginName, email: 'stranger@example.com' });
    const newest = await tokenOf(STRANGERS);
    expect(await outcomes([register(OWNERS)])).toEqual(['UAC10011012']);
    expect(await outcomes([uac.activate(newest)])).toEqual(['UAC10011112']);
    const email = 'second@example.com';
    for (let n = 0; n < 20; n++) await register({ ...STRANGERS, loginName: `stranger-${n}`, email });
    const last = await uac.tokenFor(email);
    expect(await outcomes([register({ ...OWNERS, loginName: 'second', email })])).toEqual(['UAC10011109']);
    expect(await outcomes([uac.activate(last)])).toEqual(['UAC10011112']);
  });

  it('is not taken from one who is active, nor from one whom an operator has disabled', async () => {
    await uac.activate(await tokenOf(OWNERS));
    expect(await outcomes([register(STRANGERS)])).toEqual(['UAC10011019']);
    await run(uac.db, "UPDATE pc_uac_user SET status = 'DISABLE'");
    expect(await outcomes([register(STRANGERS)])).toEqual(['UAC10011019']);
  });

  it('blocks nobody by a number that is not the stranger’s: of two who claim one, both become active, and one holds it', async () => {
    const strangers = await tokenOf({ ...STRANGERS, email: 'stranger@example.com' });
    const owners = await tokenOf({ ...OWNERS, mobileNo: STRANGERS.mobileNo });
    expect(await outcomes([uac.activate(owners), uac.activate(strangers)])).toEqual(['ok', 'ok']);
    expect(await count(uac.db, 'pc_uac_user', "status = 'ENABLE'")).toBe(2);
    expect(await count(uac.db, 'pc_uac_user', 'mobile_key IS NOT NULL')).toBe(1);
    expect(await outcomes([register(formOf(3, { mobileNo: STRANGERS.mobileNo })), register(formOf(3, { mobileNo: '' }))])).toEqual([
      'UAC10011013',
      'ok',
    ]);
  });

  it('leaves one registration, with one link that works, when several register it at the same moment', async () => {
    const forms = Array.from({ length: 8 }, (_, n) => formOf(n, { email: ADDRESS, ...withPassword(`password ${n} of many`) }));
    const all = await outcomes(forms.map(register));
    expect(all.filter((outcome) => outcome !== 'ok' && outcome !== 'UAC10011111')).toEqual([]);
    expect(await count(uac.db, 'tpc_outbox')).toBe(all.filter((outcome) => outcome === 'ok').length);
    expect([await count(uac.db, 'pc_uac_user'), await count(uac.db, 'uac_activation_token')]).toEqual([1, 1]);
  });

  it('is the one’s whose link was followed, when the other registers at the same moment', async () => {
    const owners = await tokenOf(OWNERS);
    const [activation, registration] = await outcomes([uac.activate(owners), register(STRANGERS)]);
    expect([activation, registration].join()).toMatch(/^(ok,UAC10011019|UAC10011030,ok)$/);
    expect(await count(uac.db, 'pc_uac_user')).toBe(1);
    expect(await outcomes([login(STRANGERS)])).not.toEqual(['ok']);
  });
});
