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

  it('lists one violation for each wrong field', () => {
    const checked = checkRegistration({ ...right, loginName: '!', email: 'x', mobileNo: '1' });
    expect('violations' in checked && checked.violations.map(({ field }) => field)).toEqual(['loginName', 'email', 'mobileNo']);
  });
});
