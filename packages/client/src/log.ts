import { harmlessLog, isMistake, redact } from '@tpc/core';

/** The part of a logger that the library uses; pino's and console-like loggers with (fields, message) fit. */
export type Log = {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
};

const nothing = () => {};

/** Says nothing. */
export const silentLog: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/**
 * For who gives no logger: says each kind of warning and error once, as a warning of the process (on stderr, unless Node is told otherwise). So a program
 * that waits for TPC in vain tells why, and none that runs on is flooded. `silentLog` says nothing at all.
 */
export function firstFailuresLog(say: (text: string) => void = (text) => process.emitWarning(text, 'TpcClient')): Log {
  const said = new Set<string>();
  const once = (fields: object, message: string) => {
    if (said.has(message)) return;
    said.add(message);
    const { err, ...rest } = fields as { err?: unknown };
    const why = err === undefined ? [] : [err instanceof Error ? err.message : String(err)];
    const known = Object.entries(rest).map(([name, value]) => `${name}=${String(value)}`);
    say(`${[message, ...why].join(': ')} (${[...known, 'said once; give the library a log for the rest'].join(', ')})`);
  };
  return { debug: nothing, info: nothing, warn: once, error: once };
}

/**
 * The same log, but errors in the field `err` are shown without the values of the statement that they came from (bodies, addresses), and without a
 * stack where they come from outside and the log does not say that it shows debug: each try would write it again. What the log itself throws is
 * dropped: it is the team's, and never stops a message.
 */
export function discreet(log: Log): Log {
  const showsDebug = () => (log as { isLevelEnabled?: (level: string) => boolean }).isLevelEnabled?.('debug') === true;
  return harmlessLog(log, (fields, level) => {
    if (!('err' in fields)) return fields;
    const err = redact(fields.err);
    const whole = !(err instanceof Error) || level === 'debug' || isMistake(err, level === 'error') || showsDebug();
    return { ...fields, err: whole ? err : withoutStack(err) };
  });
}

/** The same error for a log: its class, its code and its words with those of its causes. */
function withoutStack(error: Error): Error {
  const words = [];
  for (let cause: unknown = error; cause instanceof Error && words.length < 5; cause = cause.cause) words.push(cause.message);
  const message = [...new Set(words)].join(': ');
  return Object.defineProperties(Object.create(error) as Error, { stack: { value: '' }, cause: { value: undefined }, message: { value: message } });
}
