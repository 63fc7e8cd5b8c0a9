/**
 * The key-value store over Redis: one server, a cluster, or a master that sentinels know. It is never in the way: a command waits for its answer for
 * a moment and no longer, and while Redis is away each fails at once. The connection is sought all the while, with a growing wait.
 */
import { readFileSync } from 'node:fs';
import { type RetryPolicy, waitBeforeRetry, withDeadline } from '@tpc/core';
import { Cluster, Redis } from 'ioredis';
import { StartError } from '../errors.ts';
import type { Log } from '../log/log.ts';
import { whatAnswers } from '../net/what-answers.ts';
import type { KeyValueState, KeyValueStore } from './key-value-store.ts';
import { parseRedisAddress, type RedisAddress } from './redis-address.ts';
import { judgeRedisFailure } from './redis-failures.ts';

/** Longest wait for the answer to one command, milliseconds. */
export const DEFAULT_COMMAND_TIMEOUT_MS = 500;
/** Longest wait for a connection, milliseconds. */
const CONNECT_TIMEOUT_MS = 3_000;
/** A server that is silent for so long while something is asked is given up for a new connection, milliseconds: it may be frozen. */
const SILENCE_MS = 2_000;
/** How long the start waits to learn whether the settings are right, milliseconds. */
const FIRST_ANSWER_MS = 4_000;
/** Waits between two tries to connect. */
const CONNECT_WAITS: RetryPolicy = { firstWaitMs: 100, factor: 2, maxWaitMs: 5_000, jitter: 0.2, maxAttempts: undefined };

/** Counts, and sets the time to live with the first, in one step: a process that dies in between would leave a counter that never ends. */
const INCREMENT = `local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return count`;

export type RedisKeyValueOptions = {
  /** See REDIS_ADDRESS_FORMS. */
  url: string;
  /** The setting's name, for error lines. */
  setting: string;
  /** File with the authorities that may have signed the server's certificate, PEM; default: those that Node knows. */
  caFile?: string | undefined;
  commandTimeoutMs?: number | undefined;
  log: Log;
};

type Client = (Redis | Cluster) & { countUp(key: string, ttlMs: number): Promise<number> };

/**
 * Opens the store. A Redis that is away is no error: the store says so in `state()` and goes on looking for it.
 * @throws StartError when the settings are wrong: the address, password, certificate, or another protocol on the port
 */
export async function openRedisKeyValueStore(options: RedisKeyValueOptions): Promise<KeyValueStore> {
  const address = named(options.setting, () => parseRedisAddress(options.url));
  const client = createClient(address, options);
  client.defineCommand('countUp', { numberOfKeys: 1, lua: INCREMENT });
  const link = watchLink(client, address, options);
  const wrong = await firstAnswer(client, address);
  if (wrong !== undefined) {
    client.disconnect();
    throw new StartError(`${options.setting}: ${wrong}`);
  }
  return {
    get: async (key) => (await client.get(key)) ?? undefined,
    set: async (key, value, ttlMs) => {
      await client.set(key, value, 'PX', ttlMs);
    },
    increment: async (key, ttlMs) => Number(await client.countUp(key, ttlMs)),
    delete: async (key) => {
      await client.del(key);
    },
    state: link.state,
    close: async () => {
      link.leave();
      client.disconnect();
    },
  };
}

function createClient(address: RedisAddress, { setting, caFile, commandTimeoutMs }: RedisKeyValueOptions): Client {
  const { kind, hosts, username, password, db } = address;
  const ca = caFile === undefined ? {} : { ca: named(setting, () => readFileSync(caFile)) };
  const tls = address.tls ? { tls: { ...ca } } : {};
  const common = {
    protocol: 2 as const, // Redis 5 and older know no other.
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...tls,
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SILENCE_MS,
    commandTimeout: commandTimeoutMs ?? DEFAULT_COMMAND_TIMEOUT_MS,
    // While there is no connection a command fails at once, and one whose answer was lost is not sent again: it may have counted.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    disableClientInfo: true,
  };
  if (kind === 'cluster') {
    const { enableOfflineQueue, ...redisOptions } = common;
    return new Cluster([...hosts], { redisOptions, enableOfflineQueue, clusterRetryStrategy: retryStrategy, maxRedirections: 4 }) as Client;
  }
  if (kind === 'single') return new Redis({ ...common, ...hosts[0], db, retryStrategy }) as Client;
  const sentinelTls = address.tls ? { sentinelTLS: { ...ca }, enableTLSForSentinelMode: true } : {};
  const sentinels = { sentinels: [...hosts], name: address.master, sentinelRetryStrategy: retryStrategy, sentinelCommandTimeout: SILENCE_MS };
  return new Redis({ ...common, ...sentinelTls, ...sentinels, db, retryStrategy }) as Client;
}

function retryStrategy(times: number): number {
  return waitBeforeRetry(CONNECT_WAITS, times, Math.random());
}

/** Follows the link, and says each change once. */
function watchLink(client: Client, address: RedisAddress, { log }: RedisKeyValueOptions): { state: () => KeyValueState; leave: () => void } {
  const place = address.hosts.map(({ host, port }) => `${host}:${port}`).join(',');
  let state: KeyValueState = { connected: false, error: 'not connected yet', since: Date.now() };
  let told: boolean | undefined;
  let lastReason = '';
  let left = false;
  client.on('error', (error: unknown) => {
    lastReason = judgeRedisFailure(error).reason;
    if (!state.connected) state = { ...state, error: lastReason };
  });
  client.on('ready', () => {
    state = { connected: true, error: '', since: Date.now() };
    if (told !== true) log.info({ redis: place }, 'the key-value store is there');
    told = true;
  });
  client.on('close', () => {
    if (left) return;
    if (state.connected) state = { connected: false, error: lastReason || 'the connection was lost', since: Date.now() };
    if (told !== false) log.warn({ redis: place, reason: state.error }, 'the key-value store is away; rate limits do not count meanwhile');
    told = false;
  });
  const leave = () => {
    left = true;
  };
  return { state: () => state, leave };
}

/** Waits until it is connected, or the first try has failed; answers with what is wrong, when it is more than being away. */
async function firstAnswer(client: Client, address: RedisAddress): Promise<string | undefined> {
  let lastError: unknown;
  const failed = new Promise<'failed'>((resolve) => {
    client.on('error', (error: unknown) => {
      lastError = error;
      // One node or sentinel that is away is no failure: the next is asked.
      if (address.kind === 'single' || judgeRedisFailure(error).verdict === 'wrong') resolve('failed');
    });
    client.once('close', () => resolve('failed'));
  });
  const ready = new Promise<'ready'>((resolve) => client.once('ready', () => resolve('ready')));
  const outcome = await withDeadline(Promise.race([ready, failed]), FIRST_ANSWER_MS);
  if (outcome === 'ready') return undefined;
  const failure = lastError === undefined ? undefined : judgeRedisFailure(lastError);
  return (await otherProtocol(address)) ?? (failure?.verdict === 'wrong' ? `Redis refuses: ${failure.reason}` : undefined);
}

/** Says so when the port belongs to something that is no Redis. */
async function otherProtocol({ hosts: [{ host, port }], tls }: RedisAddress): Promise<string | undefined> {
  const found = await whatAnswers(host, port, tls ? 'TLS' : 'Redis');
  if (found === undefined || found === (tls ? 'TLS' : 'Redis')) return undefined;
  if (found === 'TLS') return `${host}:${port} speaks TLS: write rediss:// for redis://`;
  if (found === 'Redis') return `${host}:${port} speaks Redis without TLS: write redis:// for rediss://`;
  return `${host}:${port} speaks ${found}, not Redis`;
}

/** Runs what may fail for a wrong setting, and names that in the error. */
function named<T>(setting: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new StartError(`${setting}: ${(cause as Error).message}`, { cause });
  }
}
