import { describe, expect, it } from 'vitest';
import { checkRegistration, type RegistrationForm } from './registration.ts';

const right: RegistrationForm = {
  loginName: ' Alice ',
  loginPwd: 'secret123',
  confirmPwd: 'secret123',
  email: ' Alice@Example.COM ',
  mobileNo: '+8613800138000',
  registerSource: 'PC',
};

function codeOf(form: Partial<RegistrationForm>): string | undefined {
  const checked = checkRegistration({ ...right, ...form });
  return 'violations' in checked ? checked.violations[0].code : undefined;
}

describe('checkRegistration', () => {
  it('takes a right form and makes the keys that tell users apart', () => {
    expect(checkRegistration(right)).toEqual({
      registration: {
        loginName: 'Alice',
        loginNameKey: 'alice',
        email: 'Alice@Example.COM',
        emailKey: 'alice@example.com',
        mobileKey: '+8613800138000',
        password: 'secret123',
        registerSource: 'PC',
      },
    });
  });

  it('takes two forms of one password as the same, and counts its characters in the one form', () => {
    const decomposed = 'cre\u0300me bru\u0302le\u0301e';
    const checked = checkRegistration({ ...right, loginPwd: decomposed, confirmPwd: decomposed.normalize('NFC') });
    expect(checked).toMatchObject({ registration: { password: decomposed.normalize('NFC') } });
    expect(codeOf({ loginPwd: 'e\u0301'.repeat(6), confirmPwd: 'e\u0301'.repeat(6) })).toBe('UAC10011104');
  });

  it('takes an international domain in its ASCII form', () => {
    const registration = { email: 'Li@xn--fsqu00a.xn--fiqs8s', emailKey: 'li@xn--fsqu00a.xn--fiqs8s' };
    expect(checkRegistration({ ...right, email: 'Li@例子.中国' })).toMatchObject({ registration });
    expect(codeOf({ email: '用户@例子.中国' })).toBe('UAC10011114');
  });

  it('takes a form without a mobile number', () => {
    expect(checkRegistration({ ...right, mobileNo: ' ' })).toMatchObject({ registration: { mobileKey: undefined } });
  });

  it.each<[Partial<RegistrationForm>, string]>([
    [{ loginName: ' ' }, 'UAC10011007'],
    [{ email: '' }, 'UAC10011018'],
    [{ loginPwd: '' }, 'UAC10011014'],
    [{ confirmPwd: '' }, 'UAC10011009'],
    [{ registerSource: '' }, 'UAC10011017'],
    [{ confirmPwd: 'secret124' }, 'UAC10011010'],
    [{ loginName: 'ab' }, 'UAC10011101'],
    [{ email: 'nobody' }, 'UAC10011102'],
    [{ mobileNo: '12345' }, 'UAC10011103'],
    [{ loginPwd: 'short', confirmPwd: 'short' }, 'UAC10011104'],
    [{ registerSource: 'a source' }, 'UAC10011017'],
  ])('refuses %o with %s', (form, code) => {
    expect(codeOf(form)).toBe(code);
  });

  it("keeps the original's order where several fields are wrong", () => {
    const empty = { loginName: '', email: '', mobileNo: '', loginPwd: '', confirmPwd: '', registerSource: '' };
    const order = ['loginName', 'email', 'loginPwd', 'confirmPwd', 'registerSource'] as const;
    const codes = order.map((_, index) => codeOf({ ...empty, ...Object.fromEntries(order.slice(0, index).map((field) => [field, right[field]])) }));
    expect(codes).toEqual(['UAC10011007', 'UAC10011018', 'UAC10011014', 'UAC10011009', 'UAC10011017']);
    expect(codeOf({ loginName: '!', confirmPwd: 'other' })).toBe('UAC10011010');
  });

  it.each<[string, string, boolean]>([
    ['source', ' A_z-9 ', true],
    ['source', 'x'.repeat(20), true],
    ['source', 'x'.repeat(21), false],
    ['source', 'a!', false],
    ['source', '!a', false],
  ])('%s %j is right: %s', (_what, registerSource, right) => {
    expect(codeOf({ registerSource })).toBe(right ? undefined : 'UAC10011017');
  });

  it('keeps what is right in one form: without the blanks around it', () => {
    expect(checkRegistration({ ...right, registerSource: ' PC ' })).toMatchObject({ registration: { registerSource: 'PC' } });
  });

  it('tells the keys of the fields that are right beside what is wrong', () => {
    expect(checkRegistration({ ...right, registerSource: '' })).toMatchObject({
      keys: { loginNameKey: 'alice', emailKey: 'alice@example.com', mobileKey: '+8613800138000' },
    });
    expect(checkRegistration({ ...right, loginName: '!', email: '!', mobileNo: '!' })).toMatchObject({
      keys: { loginNameKey: '', emailKey: '', mobileKey: undefined },
    });
  });

  it('says of one wrong field no more than what is wrong with it', () => {
    const all = (form: Partial<RegistrationForm>) => {
      const checked = checkRegistration({ ...right, ...form });
      return 'violations' in checked ? checked.violations : [];
    };
    expect(all({ loginName: ' ' })).toEqual([{ field: 'loginName', code: 'UAC10011007' }]);
    expect(all({ email: ' ' })).toEqual([{ field: 'email', code: 'UAC10011018' }]);
    expect(all({ registerSource: ' ' })).toEqual([{ field: 'registerSource', code: 'UAC10011017' }]);
    expect(all({ loginPwd: '' })).toEqual([{ field: 'loginPwd', code: 'UAC10011014' }]);
    expect(all({ confirmPwd: '' })).toEqual([{ field: 'confirmPwd', code: 'UAC10011009' }]);
    expect(all({ confirmPwd: 'other password' })).toEqual([{ field: 'confirmPwd', code: 'UAC10011010' }]);
    expect(all({ loginPwd: 'short', confirmPwd: 'short' })).toEqual([{ field: 'loginPwd', code: 'UAC10011104' }]);
    expect(all({ registerSource: '!' })).toEqual([{ field: 'registerSource', code: 'UAC10011017' }]);
  });

  it('lists one violation for each wrong field', () => {
    const checked = checkRegistration({ ...right, loginName: '!', email: 'x', mobileNo: '1' });
    expect('violations' in checked && checked.violations.map(({ field }) => field)).toEqual(['loginName', 'email', 'mobileNo']);
  });
});
