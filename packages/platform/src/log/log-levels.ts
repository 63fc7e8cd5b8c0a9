import type { Logger } from 'pino';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export type LogPart = {
  /** `<service>.<part>`, or the service's name alone for lines of no part. */
  name: string;
  level: LogLevel;
  /** When it goes back by itself, milliseconds of the wall clock. */
  resetAt: number | undefined;
};

type Part = { logger: Logger; configured: LogLevel; resetAt: number | undefined; timer: NodeJS.Timeout | undefined };

/**
 * How much each part of a service logs. A part is a logger of its own, so that a line that is not wanted costs nothing; parts are made when the service
 * is put together, and their levels may be changed while it runs.
 */
export class LogParts {
  readonly #parts = new Map<string, Part>();
  readonly #service: string;
  readonly #levels: Readonly<Record<string, LogLevel>>;
  readonly #base: LogLevel;
  /** What all parts were set to last; parts that are made later have it, too. */
  #ofAll: LogLevel | undefined;

  /** @param levels of parts, by their full names; others have the base's */
  constructor(service: string, root: Logger, base: LogLevel, levels: Readonly<Record<string, LogLevel>>) {
    this.#service = service;
    this.#base = base;
    this.#levels = levels;
    this.#add(service, root);
  }

  /** The logger of a part; the same one whenever it is asked for. @param make makes it */
  logger(part: string, make: (name: string) => Logger): Logger {
    const name = `${this.#service}.${part}`;
    return this.#parts.get(name)?.logger ?? this.#add(name, make(name));
  }

  list(): LogPart[] {
    const parts = [...this.#parts].map(([name, { logger, resetAt }]) => ({ name, level: logger.level as LogLevel, resetAt }));
    return parts.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * Changes the level of a part, or of all.
   * @param name of the part; empty: every part
   * @param level undefined: what the settings say
   * @param resetAfterMs goes back after this time; undefined: stays
   * @returns the parts after the change; undefined when there is no such part
   */
  set(name: string, level: LogLevel | undefined, resetAfterMs?: number): LogPart[] | undefined {
    const names = name === '' ? [...this.#parts.keys()] : [name];
    const parts = names.map((one) => this.#parts.get(one));
    if (!parts.every((part) => part !== undefined)) return undefined;
    for (const part of parts) change(part, level, resetAfterMs);
    if (name === '') this.#ofAll = resetAfterMs === undefined ? level : undefined;
    return this.list().filter((part) => names.includes(part.name));
  }

  #add(name: string, logger: Logger): Logger {
    const configured = this.#levels[name] ?? this.#base;
    logger.level = this.#ofAll ?? configured;
    this.#parts.set(name, { logger, configured, resetAt: undefined, timer: undefined });
    return logger;
  }
}

function change(part: Part, level: LogLevel | undefined, resetAfterMs: number | undefined): void {
  clearTimeout(part.timer);
  part.logger.level = level ?? part.configured;
  part.resetAt = level === undefined || resetAfterMs === undefined ? undefined : Date.now() + resetAfterMs;
  part.timer = part.resetAt === undefined ? undefined : setTimeout(() => change(part, undefined, undefined), resetAfterMs).unref();
}
