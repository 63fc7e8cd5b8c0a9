import type { Language } from '../domain/language.ts';

/** The words of a mail; templates escape every value in HTML. */
export type MailText = {
  subject: string;
  title: string;
  greeting: string;
  paragraphs: readonly string[];
  /** A button with a link. */
  action?: { label: string; url: string };
  /** Below the button. */
  notes: readonly string[];
  footer: string;
};

export type ActiveUserValues = { loginName: string; email: string; activeUserUrl: string; dateTime: string; life: string; contested: boolean };
export type ActiveUserSuccessValues = { loginName: string; loginUrl: string; dateTime: string };

/** The mail that asks for the activation. */
export const ACTIVE_USER: Record<Language, (values: ActiveUserValues) => MailText> = {
  zh: ({ loginName, email, activeUserUrl, dateTime, life, contested }) => ({
    subject: '请激活您的账号',
    title: '激活您的账号',
    greeting: `${loginName}，您好：`,
    paragraphs: [`您于 ${dateTime} 使用邮箱 ${email} 注册了账号。请点击下面的按钮完成激活。`],
    action: { label: '激活账号', url: activeUserUrl },
    notes: [
      `链接在本邮件发出后${life}内有效，只能使用一次。`,
      ...(contested ? ['此邮箱被注册过不止一次：激活时需要输入您注册时设置的密码。'] : []),
      '如果不是您本人注册，请忽略本邮件，账号不会被激活。',
    ],
    footer: '本邮件由系统自动发出，请勿回复。',
  }),
  en: ({ loginName, email, activeUserUrl, dateTime, life, contested }) => ({
    subject: 'Activate your account',
    title: 'Activate your account',
    greeting: `Hello ${loginName},`,
    paragraphs: [`An account was registered with the address ${email} on ${dateTime}. One click on the page behind this link makes it active.`],
    action: { label: 'Activate my account', url: activeUserUrl },
    notes: [
      `The link works once, for ${life} after this mail was sent.`,
      ...(contested ? ['This address was registered more than once: you will be asked for the password that you chose.'] : []),
      'If it was not you, ignore this mail: the account stays inactive.',
    ],
    footer: 'This mail was sent automatically; please do not reply.',
  }),
};

/** The mail that tells of it. */
export const ACTIVE_USER_SUCCESS: Record<Language, (values: ActiveUserSuccessValues) => MailText> = {
  zh: ({ loginName, loginUrl, dateTime }) => ({
    subject: '您的账号已激活',
    title: '激活成功',
    greeting: `${loginName}，您好：`,
    paragraphs: [`您的账号已于 ${dateTime} 激活，现在可以登录了。`],
    action: { label: '去登录', url: loginUrl },
    notes: [],
    footer: '本邮件由系统自动发出，请勿回复。',
  }),
  en: ({ loginName, loginUrl, dateTime }) => ({
    subject: 'Your account is active',
    title: 'Your account is active',
    greeting: `Hello ${loginName},`,
    paragraphs: [`Your account was activated on ${dateTime}. You can log in now.`],
    action: { label: 'Log in', url: loginUrl },
    notes: [],
    footer: 'This mail was sent automatically; please do not reply.',
  }),
};
