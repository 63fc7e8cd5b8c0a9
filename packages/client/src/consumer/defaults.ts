import { hostname } from 'node:os';
import type { MeterProvider } from '@opentelemetry/api';
import type { MessageTracer, RetryPolicy } from '@tpc/core';
import { v4 as uuidv4 } from 'uuid';
import { discreet, firstFailuresLog } from '../log.ts';
import { messageTracer } from '../tracing.ts';
import type { ConsumerOptions } from './types.ts';

/** About 80 minutes in all: 5 s, 10 s, 20 s … up to 10 minutes, 16 tries. */
export const DEFAULT_RETRY: RetryPolicy = { firstWaitMs: 5_000, factor: 2, maxWaitMs: 600_000, jitter: 0.2, maxAttempts: 16 };

export const DEFAULTS = {
  concurrency: 8,
  handlerTimeoutMs: 300_000,
  leaseMs: 60_000,
  poisonAfter: 3,
  maxInMemory: 512,
  maxInMemoryBytes: 64 * 1024 * 1024,
  maxBodyBytes: 4 * 1024 * 1024,
  reportLingerMs: 100,
  reportRepeatMs: 10_000,
  sweepMs: 1_000,
  statementLimitMs: 60_000,
  registerRetryMs: 500,
} as const;

/** The options with every default filled in. */
export type Settings = Required<Omit<ConsumerOptions, 'inboxRetentionMs' | 'meterProvider' | 'tracer'>> & {
  inboxRetentionMs: number | undefined;
  meterProvider: MeterProvider | undefined;
  /** Undefined: nothing is traced. */
  tracing: MessageTracer | undefined;
};

const GROUP = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * Fills in defaults and checks what can be checked without I/O.
 * @throws Error that names the option
 */
export function settingsOf(options: ConsumerOptions): Settings {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as ConsumerOptions;
  const settings: Settings = {
    ...DEFAULTS,
    retry: DEFAULT_RETRY,
    host: hostname(),
    instanceId: uuidv4(),
    log: firstFailuresLog(),
    onEvent: () => {},
    inboxRetentionMs: undefined,
    tracing: messageTracer(options.tracer),
    meterProvider: undefined,
    ...given,
  };
  settings.log = discreet(settings.log);
  if (!GROUP.test(settings.group)) throw new Error(`group: "${settings.group}" is not 1 to 64 characters of [A-Za-z0-9_-]`);
  if (settings.subscriptions.length === 0) throw new Error('subscriptions: at least one is needed');
  for (const { topic } of settings.subscriptions) {
    if (settings.handlers[topic] === undefined) throw new Error(`handlers: topic ${topic} is subscribed and has no handler`);
  }
  for (const name of [
    'concurrency',
    'handlerTimeoutMs',
    'leaseMs',
    'poisonAfter',
    'maxInMemory',
    'maxInMemoryBytes',
    'maxBodyBytes',
    'reportRepeatMs',
    'sweepMs',
    'statementLimitMs',
  ] as const) {
    if (!(settings[name] >= 1)) throw new Error(`${name}: ${settings[name]} is not at least 1`);
  }
  for (const name of ['leaseMs', 'reportRepeatMs', 'sweepMs'] as const) {
    if (!Number.isFinite(settings[name])) throw new Error(`${name}: ${settings[name]} is no number of milliseconds`);
  }
  for (const [topic, handler] of Object.entries(settings.handlers)) {
    if ('handleBatch' in handler && !(handler.maxBatch >= 1)) throw new Error(`handlers.${topic}.maxBatch: ${handler.maxBatch} is not at least 1`);
    if (!('effects' in handler)) continue;
    if (!(handler.timeoutMs < handler.leaseMs && Number.isFinite(handler.leaseMs))) {
      throw new Error(`handlers.${topic}.timeoutMs: ${handler.timeoutMs} is not below leaseMs ${handler.leaseMs}`);
    }
    if (!(handler.concurrency >= 1)) throw new Error(`handlers.${topic}.concurrency: ${handler.concurrency} is not at least 1`);
  }
  return settings;
}
