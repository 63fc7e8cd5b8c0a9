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
