/** Languages of pages, mails and messages, for all that people see. */
export type Language = 'zh' | 'en';

/** Where nothing is asked for: the original speaks Chinese. */
const DEFAULT_LANGUAGE: Language = 'zh';

const LANGUAGE_TAG = /^[a-z]{2,8}(-[a-z0-9]{1,8})*$/;
/** Most parts of an Accept-Language header that are looked at. */
const MAX_PARTS = 20;

/**
 * The language for an Accept-Language header (RFC 9110, 12.5.4): the one of ours with the highest weight. Nothing or `*`: Chinese; only
 * languages that we do not have: English, which more of their readers know.
 */
export function languageOf(acceptLanguage: string | undefined): Language {
  const wishes = (acceptLanguage ?? '').split(',', MAX_PARTS).map(parseWish);
  let best: { language: Language; weight: number } | undefined;
  for (const { tag, weight } of wishes) {
    const language = toLanguage(tag);
    if (language && weight > (best?.weight ?? 0)) best = { language, weight };
  }
  if (best) return best.language;
  return wishes.some(({ tag, weight }) => LANGUAGE_TAG.test(tag) && weight > 0) ? 'en' : DEFAULT_LANGUAGE;
}

/** A language by its plain name, as in requests and cookies; undefined for anything else. */
export function toLanguage(tag: string): Language | undefined {
  const primary = tag.trim().toLowerCase().split(/[-_]/, 1)[0];
  return primary === 'zh' || primary === 'en' ? primary : undefined;
}

function parseWish(part: string): { tag: string; weight: number } {
  const [tag = '', ...parameters] = part.split(';');
  const quality = parameters.map((parameter) => /^\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*$/i.exec(parameter)?.[1]).find((found) => found !== undefined);
  return { tag: tag.trim().toLowerCase(), weight: quality === undefined ? 1 : Number(quality) };
}
