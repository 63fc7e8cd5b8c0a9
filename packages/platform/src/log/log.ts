import { trace } from '@opentelemetry/api';
import { isMistake, redact } from '@tpc/core';
import { type DestinationStream, type LogFn, type Logger, pino, stdSerializers } from 'pino';
import { type LogLevel, LogParts } from './log-levels.ts';
import { textDestination } from './log-text.ts';

export type Log = Logger;

export type LogOptions = {
  service: string;
  level: LogLevel;
  /** Levels of parts by their full names, `tpc.publish`; others have `level`. */
  levels?: Readonly<Record<string, LogLevel>>;
  /** auto: text in a terminal, else json. */
  format: 'auto' | 'json' | 'text';
};

/** The parts of each service's log, by every one of its loggers. */
const partsOf = new WeakMap<Log, LogParts>();

/**
 * A service's log: JSON lines, or readable text in a terminal. Messages are constant; what varies stands in fields: `message_key`, `trace_id`,
 * `consumer_group` where a line is about a message. Never log a message body, a mail address, a token or a password. An error in the field `err` is
 * shown without the values of the statement that it came from. The stack of what can fail from outside (network, database, a refusal) is shown at
 * level debug alone, since such an error comes again with each try; the stack of a mistake in the program is always shown.
 * @param destination where lines go; default: standard output
 */
export function createLog({ service, level, levels = {}, format }: LogOptions, destination?: DestinationStream): Log {
  const base = { name: service, level, serializers: { err: errorFields }, mixin: spanFields, hooks: { logMethod: withoutNeedlessStack } };
  const text = format === 'text' || (format === 'auto' && process.stdout.isTTY);
  const out = destination ?? (text ? textDestination(process.stdout.isTTY === true) : undefined);
  const log: Log = out ? pino(base, out) : pino(base);
  partsOf.set(log, new LogParts(service, log, level, levels));
  return log;
}

/** The log that a service's settings (logSettings) ask for. */
export function logFrom(
  service: string,
  config: { LOG_LEVEL: LogLevel; LOG_LEVELS: Readonly<Record<string, LogLevel>>; LOG_FORMAT: LogOptions['format'] },
): Log {
  return createLog({ service, level: config.LOG_LEVEL, levels: config.LOG_LEVELS, format: config.LOG_FORMAT });
}

/** The log of a part of a service, with a level of its own. @param part for example `publish` */
export function partLog(log: Log, part: string): Log {
  const parts = partsOf.get(log);
  if (parts === undefined) return log.child({ part });
  const logger = parts.logger(part, (name) => log.child({ part: name }));
  partsOf.set(logger, parts);
  return logger;
}

/** The parts of the service that a log belongs to; undefined for one that createLog has not made. */
export function logPartsOf(log: Log): LogParts | undefined {
  return partsOf.get(log);
}

/** Lines that are written within a span name it, so that trace and log find each other. */
function spanFields(): object {
  const context = trace.getActiveSpan()?.spanContext();
  return context === undefined ? {} : { trace_id: context.traceId, span_id: context.spanId };
}

/** pino's number of the level `error`. */
const ERROR = 50;

function errorFields(error: unknown): unknown {
  return error instanceof Error ? stdSerializers.err(redact(error) as Error) : error;
}

/** Leaves the stack of an error from outside out, where the line's logger is above debug. */
function withoutNeedlessStack(this: Logger, args: Parameters<LogFn>, log: LogFn, level: number): void {
  const [fields, ...rest] = args as [unknown, ...unknown[]];
  const error = typeof fields === 'object' && fields !== null && 'err' in fields ? fields.err : undefined;
  if (error instanceof Error && !this.isLevelEnabled('debug') && !isMistake(error, level >= ERROR)) {
    const { stack: _, ...shown } = errorFields(error) as Record<string, unknown>;
    log.apply(this, [{ ...(fields as object), err: shown }, ...rest] as Parameters<LogFn>);
  } else log.apply(this, args);
}
