import { harmlessLog, withoutValues } from '@tpc/core';

/** The part of a logger that the library uses; pino's and console-like loggers with (fields, message) fit. */
export type Log = {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
};

const nothing = () => {};

/** Says nothing: for who gives no logger. */
export const silentLog: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/**
 * The same log, but errors in the field `err` are shown without the values of the statement that they came from (bodies, addresses), and what the log
 * itself throws is dropped: it is the team's, and never stops a message.
 */
export function discreet(log: Log): Log {
  return harmlessLog(log, (fields) => ('err' in fields ? { ...fields, err: withoutValues(fields.err) } : fields));
}
