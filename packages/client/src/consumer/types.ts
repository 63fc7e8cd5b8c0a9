import type { MeterProvider, Tracer } from '@opentelemetry/api';
import type { BrokerSubscriber, BrokerSubscriberOptions, BrokerSubscriberState, BrokerSubscription } from '@tpc/broker';
import type { RetryPolicy } from '@tpc/core';
import type { Knex } from 'knex';
import type { TpcConnection } from '../connection/index.ts';
import type { Log } from '../log.ts';

/** A message as a handler sees it. */
export type ConsumedMessage = {
  messageKey: string;
  /** 1; raised by each replay of an operator. */
  generation: number;
  producerGroup: string;
  topic: string;
  /** Empty: none. */
  tag: string;
  body: Uint8Array;
  /** Media type as the producer said it, or empty. */
  contentType: string;
  headers: Readonly<Record<string, string>>;
  /** W3C trace context of the producer, or empty. */
  traceparent: string;
  tracestate: string;
  /** Which try of the handler this is, from 1. */
  attempt: number;
  /** The body as UTF-8 text. @throws BadMessageError when it is not UTF-8 */
  text(): string;
  /** The body as JSON. @throws BadMessageError when it is not JSON */
  json(): unknown;
};

/**
 * Handles one message in a transaction of the inbox's database. What it writes through `tx` commits together with the mark that the message is
 * consumed: once, however often the message comes. Throwing rolls both back.
 */
export type TransactionalHandler = { handle: (tx: Knex.Transaction, message: ConsumedMessage) => Promise<void> };

/** Handles many messages in one transaction. When it throws, all is rolled back and each message is handled alone. */
export type BatchHandler = {
  handleBatch: (tx: Knex.Transaction, messages: readonly ConsumedMessage[]) => Promise<void>;
  /** Most messages in one call. */
  maxBatch: number;
};

/** One act outside the database, for example one mail to one recipient. */
export type EffectPlan = {
  /**
   * Names the effect within its message: 1 to 255 characters, the last one no blank. The same message must always give the same keys. No personal data: hash it.
   */
  key: string;
  /** What the act needs, as JSON of at most 60,000 bytes; stored with the effect. */
  payload?: unknown;
};

export type EffectContext = {
  /** Stable over repeats: message key, generation and effect key. Give it to the outside, so that it can tell a repeat. */
  effectId: string;
  /** Which try of this effect this is, from 1. */
  attempt: number;
  /** Earlier tries that ended with an EffectDeferred that counts. */
  deferrals: number;
  /** Aborted when `timeoutMs` has passed. */
  signal: AbortSignal;
};

/**
 * Acts outside the database. Each effect is a row of its own, claimed before the act and marked after it; the one that settles the last marks
 * the message consumed, or dead when an effect finally failed. An effect is repeated, under the same id, only where a process died or a
 * reply was lost between the act and its record.
 */
export type EffectHandler = {
  /** Which effects the message asks for. Runs once a message; a throw is judged like a handler's. */
  effects: (message: ConsumedMessage) => readonly EffectPlan[] | Promise<readonly EffectPlan[]>;
  /** Does one effect. `result` is kept in the row: what the outside answered, without personal data. */
  run: (effect: EffectPlan, message: ConsumedMessage, context: EffectContext) => Promise<{ result?: string }>;
  /** Total time of one run, milliseconds; must be below `leaseMs`. */
  timeoutMs: number;
  /** How long an effect belongs to the process that claimed it, milliseconds. */
  leaseMs: number;
  /** What to do when nobody knows whether an effect was done: `repeat` it (mail), or `hold` it for an operator (SMS). */
  onUncertain: 'repeat' | 'hold';
  /** Effects at once in this process. */
  concurrency: number;
};

export type Handler = TransactionalHandler | BatchHandler | EffectHandler;

/** What happened, for metrics; counts, never ids. */
export type ConsumerEvent =
  | { type: 'stored' | 'duplicate' | 'older' | 'tombstone' | 'dropped'; topic: string; count: number }
  | { type: 'handled'; topic: string; count: number; elapsedMs: number; outcome: 'consumed' | 'retry' | 'dead' | 'fenced' }
  | { type: 'effect'; topic: string; elapsedMs: number; outcome: 'done' | 'retry' | 'dead' | 'held' }
  | { type: 'reported'; count: number; accepted: boolean };

export type ConsumerOptions = {
  /** Pool of the inbox's database; `migrateClientStore` has run on it. */
  knex: Knex;
  /** The consumer group, at most 64 characters of [A-Za-z0-9_-]. */
  group: string;
  tpc: TpcConnection;
  /** Makes the subscriber to the broker, for example by `createRocketMqSubscriber` of @tpc/broker. */
  subscribe: (options: BrokerSubscriberOptions) => BrokerSubscriber;
  subscriptions: readonly BrokerSubscription[];
  /** A handler for each subscribed topic. */
  handlers: Readonly<Record<string, Handler>>;
  /** Waits between tries, and how many; see DEFAULT_RETRY. */
  retry?: RetryPolicy;
  /** Handler transactions at once for each topic. Default 8. */
  concurrency?: number;
  /** Longest time of one call of a transactional handler; then its transaction is rolled back and counts as failed. Milliseconds, default 300,000. */
  handlerTimeoutMs?: number;
  /**
   * Longest time that the database may take for one of the library's own statements, milliseconds; then its connection is ended and another taken. Must be
   * above the sessions' innodb_lock_wait_timeout. Statements of your handlers are not bounded by it. Of several producers and consumers
   * on one pool the shortest holds. Default 60,000.
   */
  statementLimitMs?: number;
  /** How long a claimed message belongs to this process, milliseconds. Default 60,000. */
  leaseMs?: number;
  /** After this many processes have died while they handled a message in isolation, it is dead as POISON. Default 3. */
  poisonAfter?: number;
  /** Most messages held in memory; less when half a lease of work is less. Default 512. */
  maxInMemory?: number;
  /** Most bytes of bodies held in memory for each topic; the one that goes beyond it is still taken. Default 64 MiB. */
  maxInMemoryBytes?: number;
  /** Largest body that is stored; a larger one becomes a dead tombstone. Bytes, default 4 MiB. */
  maxBodyBytes?: number;
  /** How long a report is gathered with others, and a receive waits for its outcome, milliseconds. Default 100. */
  reportLingerMs?: number;
  /** After this long without TPC's acknowledgement a report is repeated, milliseconds. Default 10,000. */
  reportRepeatMs?: number;
  /** How often the inbox is looked through for what is due, milliseconds. Default 1,000. */
  sweepMs?: number;
  /** First wait after a failed registration, milliseconds, doubled up to 15 s. Default 500. */
  registerRetryMs?: number;
  /** How long consumed rows are kept, told to TPC at registration; milliseconds. Default: not told. */
  inboxRetentionMs?: number;
  /** Host or pod name, for people. Default: the machine's name. */
  host?: string;
  /** New at each start. Default: a UUID. */
  instanceId?: string;
  /** Default: each kind of warning and error once, as a warning of the process. */
  log?: Log;
  /** Where the library's metrics go. Default: the provider that is registered with OpenTelemetry, if there is one. */
  meterProvider?: MeterProvider;
  /** For metrics of your own. */
  onEvent?: (event: ConsumerEvent) => void;
  /**
   * OpenTelemetry tracer for the spans of messages. Default: one of the SDK that is registered when the consumer is made; without an SDK nothing is traced,
   * at no cost.
   */
  tracer?: Tracer;
};

export type RegistrationState =
  /** Not yet accepted by TPC since the start; tried on. */
  | 'pending'
  | 'registered'
  /** TPC has accepted this instance before and cannot be reached now. */
  | 'unreachable'
  /**
   * TPC refuses this instance; tried on. With INBOX_STORE_CONFLICT nothing is received, handled or reported until it is accepted; else it goes on with
   * what comes.
   */
  | 'refused';

/** What is wrong with what the live instances of a group take: `topic:tag`, or `topic` for all tags of it. */
export type SubscriptionFaults = {
  /** Some instances take it, and others do not that take the same topic: the broker loses messages to those. */
  differing: readonly string[];
  /** The group subscribes it, and no live instance takes it: its messages wait. */
  untaken: readonly string[];
};

export type ConsumerState = {
  running: boolean;
  registration: RegistrationState;
  /** Why registration last failed, with TPC's reason code; empty when it did not. */
  registrationError: string;
  /** As TPC told at the last heartbeat that it answered. */
  subscriptionFaults: SubscriptionFaults;
  broker: BrokerSubscriberState | undefined;
  /** Messages in memory, waiting or being handled. */
  inMemory: number;
  /** Of these, being handled now. */
  handling: number;
  /** Reports in memory that wait to be sent. */
  reportsQueued: number;
  /** Since the start of this instance. */
  counters: ConsumerCounters;
};

export type ConsumerCounters = {
  stored: number;
  duplicates: number;
  /** Of a generation older than the newest stored. */
  older: number;
  /** Stored as dead tombstones. */
  tombstones: number;
  /** Not from TPC, or meant for another group. */
  dropped: number;
  consumed: number;
  retried: number;
  dead: number;
  /** Handled here, but taken over by another instance meanwhile; nothing was written. */
  fenced: number;
};

export interface Consumer {
  /** Begins to receive, to handle what the inbox holds, and to register. @throws Error when the inbox's database cannot be read, or it is stopped meanwhile */
  start(): Promise<void>;
  /**
   * Resolves when TPC has first accepted this instance, so that nothing sent from then on is missed. Rejects with what does not mend itself: TPC refuses the
   * instance (a TpcError: its token, a group that is bound to another inbox), the consumer is stopped; and after `timeoutMs` (milliseconds, default
   * 60,000) with what stands in the way. The consumer tries on all the same, so it may be asked again.
   */
  registered(options?: { timeoutMs?: number }): Promise<void>;
  /** Stops receiving, lets what is being handled end, sends what is to be reported; gives the rest back to the inbox. At most `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>;
  /**
   * Brings forward what waits for something that has come back: the effects that were deferred with this `waitsFor` are due now. May be called again
   * at any time.
   * @returns how many messages have such effects
   * @throws Error of the database
   */
  wake(waitsFor: string): Promise<number>;
  state(): ConsumerState;
}
