import { type Logger, pino } from 'pino';
import pretty from 'pino-pretty';

export type Log = Logger;

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * A service's log: JSON lines, or readable text in a terminal. Messages are constant; what varies stands in fields. Never log a message body, a mail
 * address, a token or a password.
 * @param options.destination who takes JSON lines instead of standard output
 */
export function createLog(options: { service: string; level: LogLevel; format: 'json' | 'text'; destination?: { write(line: string): void } }): Log {
  const base = { name: options.service, level: options.level };
  if (options.destination) return pino(base, options.destination);
  if (options.format === 'json') return pino(base);
  return pino(base, pretty({ colorize: process.stdout.isTTY, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l', sync: true }));
}
