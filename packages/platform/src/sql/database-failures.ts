import { classifySqlError, isTransient, type RetryPolicy, withRetries } from '@tpc/core';
import { SchemaBehind, StartError, UnsuitableDatabase } from '../errors.ts';
import type { Log } from '../log/log.ts';
import { whatAnswers } from '../net/what-answers.ts';

/** Waits between two tries to reach a database that is away. */
const WAITS: RetryPolicy = { firstWaitMs: 200, factor: 2, maxWaitMs: 5_000, jitter: 0.2, maxAttempts: undefined };
const ACCESS_DENIED = 1045;
const NO_RIGHT_TO_DATABASE = 1044;
const UNKNOWN_DATABASE = 1049;

/** A database's address and the setting that holds it, for error lines. */
export type DatabaseSetting = { setting: string; url: string };

/**
 * Tells a setting that a person must mend from a database that is away.
 * @returns the error to end the start with, or undefined when waiting can help. It names the setting and repeats no password.
 */
export async function judgeDatabaseFailure(error: unknown, database: DatabaseSetting): Promise<StartError | undefined> {
  if (error instanceof StartError) return error;
  if (error instanceof SchemaBehind) return undefined;
  if (!isTransient(classifySqlError(error))) return refusal(error, database);
  const other = await otherProtocol(database.url);
  return other === undefined ? undefined : new StartError(`${database.setting}: ${other}`, { cause: error });
}

/**
 * Runs a service's first work with its database. While that is away, it waits and tries again, a little longer each time.
 * @param stopping ends the waiting
 * @throws StartError when the setting is wrong; the signal's reason when it was told to stop
 */
export async function whenDatabaseAnswers<T>(
  work: () => Promise<T>,
  { log, stopping, ...database }: DatabaseSetting & { log: Log; stopping?: AbortSignal | undefined },
): Promise<T> {
  const mayRetry = async (error: unknown, failures: number) => {
    const wrong = await judgeDatabaseFailure(error, database);
    if (wrong) throw wrong;
    const what = error instanceof SchemaBehind ? 'the database lacks migrations; waiting for them' : 'the database is away; trying again';
    log[failures === 1 ? 'warn' : 'debug']({ setting: database.setting, reason: reasonOf(error) }, what);
    return true;
  };
  return withRetries(work, { policy: WAITS, mayRetry, signal: stopping });
}

function refusal(error: unknown, { setting, url }: DatabaseSetting): StartError {
  const { errno } = (error ?? {}) as { errno?: number };
  const name = databaseOf(url);
  const words = () => {
    if (error instanceof UnsuitableDatabase) return error.message;
    if (errno === ACCESS_DENIED) return `the server refuses user or password: ${reasonOf(error)}`;
    if (errno === NO_RIGHT_TO_DATABASE) return `the user has no right to database ${name}: ${reasonOf(error)}`;
    if (errno === UNKNOWN_DATABASE) return `there is no database ${name}: CREATE DATABASE ${name} CHARACTER SET utf8mb4`;
    return `the database refuses: ${reasonOf(error)}`;
  };
  return new StartError(`${setting}: ${words()}`, { cause: error });
}

function reasonOf(error: unknown): string {
  const { code = '', message = '' } = (error ?? {}) as { code?: string; message?: string };
  return [message.includes(code) ? '' : code, message].filter((part) => part !== '').join(' ') || String(error);
}

function databaseOf(url: string): string {
  return URL.canParse(url) ? decodeURIComponent(new URL(url).pathname.slice(1)) : '';
}

/** Says so when the port belongs to something that is no MySQL. */
async function otherProtocol(url: string): Promise<string | undefined> {
  if (!/^(mysql|mariadb):/.test(url) || !URL.canParse(url)) return undefined;
  const { hostname, port } = new URL(url);
  const address = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 3306) };
  const found = await whatAnswers(address.host, address.port);
  return found === undefined || found === 'MySQL' ? undefined : `${hostname}:${address.port} speaks ${found}, not MySQL`;
}
