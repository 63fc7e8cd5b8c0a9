import { z } from 'zod';
import { LOG_LEVELS, type LogLevel } from './log-levels.ts';

/** The product's services; they may share an environment. */
const SERVICES = ['tpc', 'uac', 'opc'];

/**
 * The settings of a service's log.
 * @param parts of this service that may have a level of their own
 */
export function logSettings(service: string, parts: readonly string[]) {
  const names = [service, ...parts.map((part) => `${service}.${part}`)];
  return {
    LOG_LEVEL: levelSetting(),
    LOG_LEVELS: z
      .string()
      .default('')
      .transform((text, context): Record<string, LogLevel> => {
        const levels: Record<string, LogLevel> = {};
        for (const entry of text.split(',').filter((one) => one.trim() !== '')) {
          const [name = '', level = ''] = entry.split('=').map((word) => word.trim());
          if (isLevel(level) && isPart(name, names)) levels[name] = level;
          else context.addIssue({ code: 'custom', message: `"${entry.trim()}": expected ${names.join('|')}=${LOG_LEVELS.join('|')}` });
        }
        return levels;
      })
      .describe(
        `Levels of single parts, with commas: ${names[1] ?? service}=debug. Parts: ${names.join(', ')}. They can be changed while it runs (docs/observability.md).`,
      ),
    LOG_FORMAT: formatSetting(),
  };
}

/** Whether a name is a part of this service, or of another one, which knows its own parts. @param own the first is the service itself */
function isPart(name: string, own: readonly string[]): boolean {
  const [service = ''] = name.split('.');
  return service === own[0] ? own.includes(name) : SERVICES.includes(service);
}

export const levelSetting = () =>
  z
    .enum(LOG_LEVELS, `expected one of ${LOG_LEVELS.join(', ')}`)
    .default('info')
    .describe('Least level that is logged.');

export const formatSetting = (defaultValue: 'auto' | 'json' | 'text' = 'auto') =>
  z
    .enum(['auto', 'json', 'text'], 'expected auto, json or text')
    .default(defaultValue)
    .describe('json: one object a line; text: for people; auto: text in a terminal, else json.');

function isLevel(text: string): text is LogLevel {
  return (LOG_LEVELS as readonly string[]).includes(text);
}
