import type { UacCode, Violation } from './codes.ts';
import { emailAddress, emailProblem } from './email.ts';
import { loginNameKey, mobileKey } from './identity.ts';
import { isAllowedPassword, preparePassword } from './password.ts';

/** A registration as it was typed. */
export type RegistrationForm = {
  loginName: string;
  loginPwd: string;
  confirmPwd: string;
  email: string;
  mobileNo: string;
  registerSource: string;
};

/** A registration whose fields are all right. */
export type Registration = {
  loginName: string;
  loginNameKey: string;
  /** As mail is sent to it: an international domain in its ASCII form. */
  email: string;
  emailKey: string;
  /** Undefined: none was given. */
  mobileKey: string | undefined;
  /** Prepared (domain/password.ts). */
  password: string;
  registerSource: string;
};

/** What is wrong with a form, and the keys of the fields that are right (else empty), so that all can be told in one round. */
export type WrongForm = { violations: [Violation, ...Violation[]]; keys: Pick<Registration, 'loginNameKey' | 'emailKey' | 'mobileKey'> };

const SOURCE = /^[A-Za-z0-9_-]{1,20}$/;

/**
 * Checks a registration in the original's order (F-01): the fields present, the passwords the same; then, which the original did not
 * check, each field's form. A mobile number may be left out. What is taken is the database's to say.
 * @returns the registration, or all violations, of which the first is the one that the original would have answered, with the keys that are right
 */
export function checkRegistration(form: RegistrationForm): { registration: Registration } | WrongForm {
  const keys = { name: loginNameKey(form.loginName), email: emailAddress(form.email), mobile: mobileKey(form.mobileNo) };
  const passwords = { password: preparePassword(form.loginPwd), again: preparePassword(form.confirmPwd) };
  const [first, ...more] = violationsOf(form, { ...keys, ...passwords });
  if (first)
    return {
      violations: [first, ...more],
      keys: { loginNameKey: keys.name ?? '', emailKey: keys.email?.toLowerCase() ?? '', mobileKey: keys.mobile },
    };
  return {
    registration: {
      loginName: form.loginName.trim(),
      loginNameKey: keys.name as string,
      email: keys.email as string,
      emailKey: (keys.email as string).toLowerCase(),
      mobileKey: keys.mobile,
      password: passwords.password,
      registerSource: form.registerSource.trim(),
    },
  };
}

type Normalised = { name: string | undefined; email: string | undefined; mobile: string | undefined; password: string; again: string };

function violationsOf(form: RegistrationForm, keys: Normalised): Violation[] {
  const present = (value: string) => value.trim() !== '';
  const bothPasswords = form.loginPwd !== '' && form.confirmPwd !== '';
  const rules: [broken: boolean, field: keyof RegistrationForm, code: UacCode][] = [
    [!present(form.loginName), 'loginName', 'UAC10011007'],
    [!present(form.email), 'email', 'UAC10011018'],
    [form.loginPwd === '', 'loginPwd', 'UAC10011014'],
    [form.confirmPwd === '', 'confirmPwd', 'UAC10011009'],
    [!present(form.registerSource), 'registerSource', 'UAC10011017'],
    [bothPasswords && keys.password !== keys.again, 'confirmPwd', 'UAC10011010'],
    [present(form.loginName) && !keys.name, 'loginName', 'UAC10011101'],
    [present(form.email) && !keys.email, 'email', emailProblem(form.email)],
    [present(form.mobileNo) && !keys.mobile, 'mobileNo', 'UAC10011103'],
    [form.loginPwd !== '' && !isAllowedPassword(keys.password), 'loginPwd', 'UAC10011104'],
    [present(form.registerSource) && !SOURCE.test(form.registerSource.trim()), 'registerSource', 'UAC10011017'],
  ];
  return rules.filter(([broken]) => broken).map(([, field, code]) => ({ field, code }));
}
