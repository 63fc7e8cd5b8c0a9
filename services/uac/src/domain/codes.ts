/**
 * Every refusal of UAC: the original's codes where it has them, 100111xx for rules that it did not check. The HTTP envelope carries the
 * number, gRPC the reason (`UAC` + number). Codes never change once released; the texts may.
 */

/** What a refusal means to a caller; grpc/ and http/ map it to a status. */
export type RefusalKind = 'invalid' | 'taken' | 'not_found' | 'precondition' | 'unauthenticated' | 'not_allowed' | 'too_many' | 'unavailable';

export type CodeEntry = {
  /** Speaking name, in ErrorInfo.metadata.name. */
  name: string;
  kind: RefusalKind;
  zh: string;
  en: string;
};

// Stryker disable StringLiteral,ObjectLiteral: docs/errors.md is made of this table, and npm run lint compares the two; a test wants both languages.
export const CODES = {
  UAC10011004: { name: 'USER_NOT_FOUND', kind: 'not_found', zh: '找不到用户', en: 'There is no such user.' },
  UAC10011006: { name: 'MOBILE_MISSING', kind: 'invalid', zh: '手机号不能为空', en: 'Enter a mobile number.' },
  UAC10011007: { name: 'LOGIN_NAME_MISSING', kind: 'invalid', zh: '登录名不能为空', en: 'Enter a login name.' },
  UAC10011009: { name: 'CONFIRM_PASSWORD_MISSING', kind: 'invalid', zh: '确认密码不能为空', en: 'Enter the password again.' },
  UAC10011010: { name: 'PASSWORDS_DIFFER', kind: 'invalid', zh: '两次密码不一致', en: 'The two passwords are not the same.' },
  UAC10011012: { name: 'LOGIN_NAME_TAKEN', kind: 'taken', zh: '登录名已存在', en: 'This login name is taken.' },
  UAC10011013: { name: 'MOBILE_TAKEN', kind: 'taken', zh: '手机号已存在', en: 'This mobile number is taken.' },
  UAC10011014: { name: 'PASSWORD_MISSING', kind: 'invalid', zh: '密码不能为空', en: 'Enter a password.' },
  UAC10011016: { name: 'WRONG_NAME_OR_PASSWORD', kind: 'unauthenticated', zh: '用户名或密码错误', en: 'The login name or the password is wrong.' },
  UAC10011017: { name: 'KIND_WRONG', kind: 'invalid', zh: '验证类型错误', en: 'The source or kind is missing or not known.' },
  UAC10011018: { name: 'EMAIL_MISSING', kind: 'invalid', zh: '邮箱不能为空', en: 'Enter an e-mail address.' },
  UAC10011019: { name: 'EMAIL_TAKEN', kind: 'taken', zh: '邮箱已存在', en: 'This e-mail address is taken.' },
  UAC10011030: {
    name: 'ACTIVATION_LINK_EXPIRED',
    kind: 'not_found',
    zh: '激活失败, 链接已过期',
    en: 'Activation failed: the link has been used or is too old.',
  },
  UAC10011038: { name: 'ACTIVATION_FAILED', kind: 'precondition', zh: '激活用户失败', en: 'This user cannot be activated.' },
  UAC10011101: {
    name: 'LOGIN_NAME_FORMAT',
    kind: 'invalid',
    zh: '登录名须为 3 至 50 个字符：字母、数字、"_"、"-"、"."，以字母或数字开头',
    en: 'A login name has 3 to 50 characters: letters, digits, "_", "-" and ".", with a letter or digit first.',
  },
  UAC10011102: { name: 'EMAIL_FORMAT', kind: 'invalid', zh: '邮箱格式不正确', en: 'This is not an e-mail address.' },
  UAC10011103: {
    name: 'MOBILE_FORMAT',
    kind: 'invalid',
    zh: '手机号格式不正确：请填写中国大陆手机号，或带国家代码的号码，如 +44 7911 123456',
    en: 'This is not a mobile number: give it with its country code, as +44 7911 123456, or one of mainland China.',
  },
  UAC10011104: {
    name: 'PASSWORD_FORMAT',
    kind: 'invalid',
    zh: '密码须为 8 至 64 个字符，不超过 72 字节，且不含控制字符',
    en: 'A password has 8 to 64 characters, at most 72 bytes, and no control characters.',
  },
  UAC10011105: { name: 'VALUE_MISSING', kind: 'invalid', zh: '验证内容不能为空', en: 'The value to look for is missing.' },
  UAC10011106: {
    name: 'USER_NOT_ACTIVE',
    kind: 'not_allowed',
    zh: '用户尚未激活，请点击激活邮件中的链接',
    en: 'This user is not active yet: follow the link in the activation mail.',
  },
  UAC10011107: { name: 'USER_DISABLED', kind: 'not_allowed', zh: '用户已被禁用', en: 'This user has been disabled.' },
  UAC10011108: { name: 'SESSION_ENDED', kind: 'unauthenticated', zh: '会话已结束，请重新登录', en: 'The session has ended: log in again.' },
  UAC10011109: { name: 'TOO_MANY_REQUESTS', kind: 'too_many', zh: '操作频率过快，请稍后再试', en: 'Too many requests: try again later.' },
  UAC10011110: {
    name: 'OUTCOME_UNKNOWN',
    kind: 'unavailable',
    zh: '暂时无法确认结果，请稍后登录或重新发送激活邮件',
    en: 'The outcome is not known yet: in a moment log in, or ask for the activation mail again.',
  },
  UAC10011111: { name: 'UNAVAILABLE', kind: 'unavailable', zh: '服务暂时不可用，请稍后再试', en: 'The service cannot do this right now: try again.' },
  UAC10011112: {
    name: 'ACTIVATION_PASSWORD_MISSING',
    kind: 'invalid',
    zh: '此邮箱被注册过不止一次，请输入您注册时设置的密码',
    en: 'This address was registered more than once: enter the password that you chose.',
  },
  UAC10011113: {
    name: 'ACTIVATION_PASSWORD_WRONG',
    kind: 'unauthenticated',
    zh: '密码与最近一次注册时设置的不一致。如果不是您注册的，请重新注册',
    en: 'This is not the password of the newest registration with this address. If that was not yours, register again.',
  },
  UAC10011114: {
    name: 'EMAIL_LOCAL_PART',
    kind: 'invalid',
    zh: '暂不支持 @ 之前含有非 ASCII 字符的邮箱：邮件无法可靠送达',
    en: 'Mail does not reliably reach an address with other than ASCII characters before the @: use another address.',
  },
} as const satisfies Record<string, CodeEntry>;
// Stryker restore StringLiteral,ObjectLiteral

/** Reason of a refusal, for example `UAC10011012`. */
export type UacCode = keyof typeof CODES;

/** A rule that a field broke. */
export type Violation = { field: string; code: UacCode };

/** The number of a code in the envelope: 10011012 for UAC10011012. */
export function numberOfCode(code: UacCode): number {
  return Number(code.slice('UAC'.length));
}

/** Whether a reason is one of ours. */
export function isUacCode(reason: string): reason is UacCode {
  return Object.hasOwn(CODES, reason);
}
