import { fileURLToPath } from 'node:url';
import { Eta } from 'eta';
import type { Language } from '../domain/language.ts';
import { ACTIVE_USER, ACTIVE_USER_SUCCESS, type MailText } from './mail-texts.ts';

/** A mail, ready to be sent. */
export type Mail = { subject: string; html: string; plain: string };

export type MailRenderer = {
  activeUser(values: { loginName: string; email: string; activeUserUrl: string; contested: boolean }, language: Language): Mail;
  activeUserSuccess(values: { loginName: string }, language: Language): Mail;
};

const TEMPLATES = fileURLToPath(new URL('../../assets/mails', import.meta.url));
const HOUR_MS = 3_600_000;
/** Chinese readers get Beijing time; a reader's own zone is not known, so others get UTC, named. */
const DATE_TIME: Record<Language, Intl.DateTimeFormat> = {
  zh: new Intl.DateTimeFormat('zh-CN', { dateStyle: 'long', timeStyle: 'short', timeZone: 'Asia/Shanghai' }),
  en: new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'long', timeZone: 'UTC' }),
};

/** Renders UAC's mails from `assets/mails`; the HTML template escapes every value. */
export function createMailRenderer(options: { publicUrl: () => string; activationLifeMs: number; now: () => number }): MailRenderer {
  const eta = new Eta({ views: TEMPLATES, cache: true, autoEscape: true });
  const render = (text: MailText, language: Language): Mail => ({
    subject: text.subject,
    html: eta.render('./mail.html.eta', { ...text, language }),
    plain: eta.render('./mail.plain.eta', text),
  });
  const dateTime = (language: Language) => DATE_TIME[language].format(options.now());
  return {
    activeUser(values, language) {
      const hours = Math.max(1, Math.floor(options.activationLifeMs / HOUR_MS));
      return render(ACTIVE_USER[language]({ ...values, dateTime: dateTime(language), hours }), language);
    },
    activeUserSuccess(values, language) {
      const loginUrl = `${options.publicUrl()}/login`;
      return render(ACTIVE_USER_SUCCESS[language]({ ...values, loginUrl, dateTime: dateTime(language) }), language);
    },
  };
}
