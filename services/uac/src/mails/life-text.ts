import type { Language } from '../domain/language.ts';

const MINUTE_MS = 60_000;
/** The largest unit in which a time is whole; a day is said in hours, as people do. */
const UNITS = [
  { unit: 'day', ms: 1440 * MINUTE_MS, atLeast: 2 },
  { unit: 'hour', ms: 60 * MINUTE_MS, atLeast: 1 },
  { unit: 'minute', ms: MINUTE_MS, atLeast: 1 },
] as const;

/** How long a link works, in words: `1 hour`, `90 minutes`, `3 days`. @param ms whole minutes */
export function lifeText(ms: number, language: Language): string {
  const { unit, ms: unitMs } = UNITS.find((each) => ms % each.ms === 0 && ms >= each.atLeast * each.ms) ?? UNITS[2];
  const format = new Intl.NumberFormat(language === 'zh' ? 'zh-CN' : 'en', { style: 'unit', unit, unitDisplay: 'long' });
  return format.format(Math.ceil(ms / unitMs));
}
