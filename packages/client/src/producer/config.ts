import type { MeterProvider, Tracer } from '@opentelemetry/api';
import type { RetryPolicy } from '@tpc/core';
import type { Knex } from 'knex';
import type { TpcConnection } from '../connection/index.ts';
import type { Log } from '../log.ts';
import type { TraceContext } from './domain/trace-context.ts';
import type { ProducerEvent } from './events.ts';

export const DEFAULT_PREPARE_BUDGET_MS = 250;
export const DEFAULT_CALL_DEADLINE_MS = 5_000;
export const DEFAULT_ACKNOWLEDGE_LINGER_MS = 50;
export const DEFAULT_STATEMENT_LIMIT_MS = 60_000;

export const DEFAULT_SWEEP: Required<SweepOptions> = {
  enabled: true,
  intervalMs: 1_000,
  batchSize: 128,
  leaseMs: 30_000,
  firstWaitMs: 10_000,
  retry: { firstWaitMs: 1_000, factor: 2, maxWaitMs: 60_000, jitter: 0.2, maxAttempts: undefined },
};

export const DEFAULT_CHECK_BACK: Required<CheckBackOptions> = { enabled: true, waitMs: 20_000, maxCount: 128 };

/** Waits between probes while TPC is away, and between registrations that failed. */
export const DEFAULT_PROBE: RetryPolicy = { firstWaitMs: 200, factor: 1.7, maxWaitMs: 5_000, jitter: 0.2, maxAttempts: undefined };

export type SweepOptions = {
  /** False: only `sweepOnce` sweeps. Default true. */
  enabled?: boolean;
  /** How often to look for due rows, milliseconds. Default 1,000. */
  intervalMs?: number;
  /** Rows in one request, 1 to 512. Default 128. */
  batchSize?: number;
  /** How long claimed rows are this process's, milliseconds; must be above the call deadline. Default 30,000. */
  leaseMs?: number;
  /** When the sweeper looks at a new row for the first time, milliseconds after its insert. Default 10,000. */
  firstWaitMs?: number;
  /** Waits after tries that failed; it never gives up. Default 1 s growing to 60 s. */
  retry?: RetryPolicy;
};

export type CheckBackOptions = {
  /** False: only `answerOnce` answers. Default true. */
  enabled?: boolean;
  /** Length of a long poll, milliseconds, at most 60,000. Default 20,000. */
  waitMs?: number;
  /** Messages asked for at once, 1 to 512. Default 128. */
  maxCount?: number;
};

export type ProducerOptions = {
  /** The service's own database, with the tables of `migrateClientStore`. Business rows go there in the same transaction. */
  knex: Knex;
  /** Producer group: at most 64 characters of [A-Za-z0-9_-], the same for every replica of the service. */
  group: string;
  tpc: TpcConnection;
  /** Topics that the group publishes on, for people who look at TPC. */
  topics?: readonly string[];
  /** Default: each kind of warning and error once, as a warning of the process. */
  log?: Log;
  /** New at each start. Default: a UUID. */
  instanceId?: string;
  /** Host or pod name, for people. Default: the host's name. */
  host?: string;
  /** How long a transaction may wait for TPC's answer to prepare, milliseconds. Default 250. */
  prepareBudgetMs?: number;
  /** Longest wait for calls that no transaction waits for, milliseconds. Default 5,000. */
  callDeadlineMs?: number;
  /** How long acknowledged rows are kept, told to TPC, which refuses what is shorter than it needs. Milliseconds. Default: not told. */
  outboxRetentionMs?: number;
  sweep?: SweepOptions;
  checkBack?: CheckBackOptions;
  probe?: RetryPolicy;
  /** How long acknowledgements are gathered before they are written, milliseconds. Default 50. */
  acknowledgeLingerMs?: number;
  /**
   * Longest time that the database may take for one of the library's own statements, milliseconds; then its connection is ended and another taken. Must be
   * above the sessions' innodb_lock_wait_timeout. Statements of your work are not bounded by it. Of several producers and consumers
   * on one pool the shortest holds. Default 60,000.
   */
  statementLimitMs?: number;
  /** Trace context under which a message is added. Default: the active span of OpenTelemetry, where an SDK runs. */
  traceContext?: () => TraceContext | undefined;
  /**
   * OpenTelemetry tracer for the spans of transactions and messages. Default: one of the SDK that is registered when the producer is made; without an SDK
   * nothing is traced, at no cost.
   */
  tracer?: Tracer;
  /** Where the library's metrics go. Default: the provider that is registered with OpenTelemetry, if there is one. */
  meterProvider?: MeterProvider;
  /** For metrics of your own. */
  onEvent?: (event: ProducerEvent) => void;
};
