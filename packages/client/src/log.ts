import { withoutValues } from '@tpc/core';

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

/** The same log, but errors in the field `err` are shown without the values of the statement that they came from: bodies, addresses. */
export function discreet(log: Log): Log {
  const shown = (fields: object) => ('err' in fields ? { ...fields, err: withoutValues(fields.err) } : fields);
  return {
    debug: (fields, message) => log.debug(shown(fields), message),
    info: (fields, message) => log.info(shown(fields), message),
    warn: (fields, message) => log.warn(shown(fields), message),
    error: (fields, message) => log.error(shown(fields), message),
  };
}
