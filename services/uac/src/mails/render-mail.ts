import { fileURLToPath } from 'node:url';
import { Eta } from 'eta';
import type { Language } from '../domain/language.ts';
import { lifeText } from './life-text.ts';
import { ACTIVE_USER, ACTIVE_USER_SUCCESS, type MailText } from './mail-texts.ts';

/** A mail, ready to be sent. */
export type Mail = { subject: string; html: string; plain: string };

export type MailRenderer = {
  activeUser(values: { loginName: string; email: string; activeUserUrl: string; contested: boolean }, language: Language): Mail;
  activeUserSuccess(values: { loginName: string }, language: Language): Mail;
};

const TEMPLATES = fileURLToPath(new URL('../../assets/mails', import.meta.url));
/** A reader's own zone is not known: Chinese readers get Beijing time, others UTC, and both are told which. */
const DATE_TIME: Record<Language, Intl.DateTimeFormat> = {
  zh: new Intl.DateTimeFormat('zh-CN', { dateStyle: 'long', timeStyle: 'short', timeZone: 'Asia/Shanghai' }),
  en: new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'long', timeZone: 'UTC' }),
};

/** Where the format itself does not name the zone. */
const ZONE: Record<Language, string> = { zh: '北京时间 ', en: '' };

/** Renders UAC's mails from `assets/mails`; the HTML template escapes every value. */
export function createMailRenderer(options: { publicUrl: () => string; activationLifeMs: number; now: () => number }): MailRenderer {
  const eta = new Eta({ views: TEMPLATES, cache: true, autoEscape: true });
  const render = (text: MailText, language: Language): Mail => ({
    subject: text.subject,
    html: eta.render('./mail.html.eta', { ...text, language }),
    plain: eta.render('./mail.plain.eta', text),
  });
  const dateTime = (language: Language) => `${ZONE[language]}${DATE_TIME[language].format(options.now())}`;
  return {
    activeUser(values, language) {
      const life = lifeText(options.activationLifeMs, language);
      return render(ACTIVE_USER[language]({ ...values, dateTime: dateTime(language), life }), language);
    },
    activeUserSuccess(values, language) {
      const loginUrl = `${options.publicUrl()}/login`;
      return render(ACTIVE_USER_SUCCESS[language]({ ...values, loginUrl, dateTime: dateTime(language) }), language);
    },
  };
}
