import { withoutValues } from '@tpc/core';
import { type DestinationStream, type Logger, pino, stdSerializers } from 'pino';
import pretty from 'pino-pretty';

export type Log = Logger;

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * A service's log: JSON lines, or readable text in a terminal. Messages are constant; what varies stands in fields. Never log a message body, a mail
 * address, a token or a password. An error in the field `err` is shown without the values of the statement that it came from.
 * @param destination where lines go; default: standard output
 */
export function createLog(options: { service: string; level: LogLevel; format: 'json' | 'text' }, destination?: DestinationStream): Log {
  const serializers = { err: (error: unknown) => stdSerializers.err(withoutValues(error) as Error) };
  const base = { name: options.service, level: options.level, serializers };
  if (options.format === 'json') return destination ? pino(base, destination) : pino(base);
  return pino(base, pretty({ colorize: process.stdout.isTTY, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l', sync: true }));
}
