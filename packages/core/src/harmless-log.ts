/** A log in pino's shape: fields first, then a constant message. */
export type LineLog = Record<'debug' | 'info' | 'warn' | 'error', (fields: object, message: string) => void>;

/**
 * The same log, but what it throws is dropped: it is somebody else's code, and never stops a message or ends a process.
 * @param shown what of a line's fields is told. Default: all
 */
export function harmlessLog(log: LineLog, shown: (fields: object, level: keyof LineLog) => object = (fields) => fields): LineLog {
  const line = (level: keyof LineLog) => (fields: object, message: string) => {
    try {
      log[level](shown(fields, level), message);
    } catch {
      // Said nowhere: the log is what has just failed.
    }
  };
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
}
