/** The text form of a log, for people in a terminal: one event, one line. */
import type { DestinationStream } from 'pino';
import pretty from 'pino-pretty';

/** Fields that stand elsewhere in the line, or say nothing in a terminal. */
const NOT_AMONG_FIELDS: ReadonlySet<string> = new Set(['level', 'time', 'pid', 'hostname', 'name', 'part', 'msg', 'err']);

/**
 * @param colors false where the output is no terminal
 * @param destination a file descriptor, or a stream that takes the lines; default: standard output
 */
export function textDestination(colors: boolean, destination: number | NodeJS.WritableStream = 1): DestinationStream {
  return pretty({
    colorize: colors,
    destination,
    hideObject: true,
    ignore: 'pid,hostname,name',
    translateTime: 'SYS:HH:MM:ss.l',
    sync: true,
    messageFormat: textOf,
  });
}

/** `tpc.grpc: the message  key=value key=value`. Only the stack of an error, where the log has it, stands on lines of its own. */
function textOf(line: Readonly<Record<string, unknown>>): string {
  const err = line.err as { message?: string; stack?: string } | undefined;
  const fields = Object.entries(line).filter(([key, value]) => !NOT_AMONG_FIELDS.has(key) && value !== undefined);
  if (err !== undefined) fields.push(['err', err.message ?? err]);
  const pairs = fields.map(([key, value]) => `${key}=${shown(value)}`).join(' ');
  const head = `${line.part ?? line.name}: ${line.msg ?? ''}`;
  return [pairs === '' ? head : `${head}  ${pairs}`, ...(err?.stack === undefined ? [] : [err.stack])].join('\n');
}

/** Values with blanks or line breaks are quoted, so that it is clear where one ends. */
function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /^[^\s"]+$/.test(text) ? text : JSON.stringify(text);
}
