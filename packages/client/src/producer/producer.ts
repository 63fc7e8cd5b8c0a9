import { hostname } from 'node:os';
import { checkSessionsOf, durabilityWarnings, limitStatements, toDuration, withDeadline } from '@tpc/core';
import type { Knex } from 'knex';
import { v7 as uuidv7 } from 'uuid';
import { checkDatabase } from '../check-database.ts';
import { codeOf } from '../error-code.ts';
import { KnexSession } from '../knex-session/knex-session.ts';
import { discreet, firstFailuresLog, type Log } from '../log.ts';
import { readStoreMeta } from '../migrations/index.ts';
import { messageTracer } from '../tracing.ts';
import { CheckBack } from './check-back/check-back.ts';
import {
  DEFAULT_ACKNOWLEDGE_LINGER_MS,
  DEFAULT_CALL_DEADLINE_MS,
  DEFAULT_CHECK_BACK,
  DEFAULT_PREPARE_BUDGET_MS,
  DEFAULT_PROBE,
  DEFAULT_STATEMENT_LIMIT_MS,
  DEFAULT_SWEEP,
  type ProducerOptions,
} from './config.ts';
import { Background } from './delivery/background.ts';
import { BatchedTpcClient } from './delivery/batched-client.ts';
import { Delivery } from './delivery/delivery.ts';
import { Sweeper, type SweepResult } from './delivery/sweeper.ts';
import { TpcAvailability } from './delivery/tpc-availability.ts';
import { checkGroup, type OutboxMessage } from './domain/message.ts';
import { OutboxMisuse } from './errors.ts';
import type { ProducerState } from './events.ts';
import { createProducerMetrics, type ProducerMetrics } from './metrics.ts';
import { findUnsweptGroups } from './store/other-groups.ts';
import { readOutboxBacklog } from './store/read-backlog.ts';
import { OpenKeys } from './transaction/open-keys.ts';
import { BusinessTransaction, type TransactionParts, type Work } from './transaction/transaction.ts';

export type Producer = {
  /**
   * Reads the id of the outbox database, then begins heartbeats, check-back and sweeper. Does not wait for TPC.
   * @throws Error when the database does not answer or `migrateClientStore` has not run on it, UnsuitableSession when it is not as it must be
   */
  start(): Promise<void>;
  /** Takes no new transactions, waits for open ones and for confirms under way, at most `deadlineMs` in all. The rest is found again later. */
  stop(deadlineMs: number): Promise<void>;
  state(): ProducerState;
  /**
   * Runs `work` in one database transaction with its outbox.
   * @returns what `work` returns, once the transaction has committed
   * @throws what `work` throws, after ROLLBACK; TpcError when TPC refused a message, after ROLLBACK; TransactionDoomed when the transaction could not be known
   *   to hold its outbox rows, after ROLLBACK; OutcomeUnknown when COMMIT was not answered
   */
  transaction<T>(work: Work<T>, options?: { isolationLevel?: Knex.IsolationLevels }): Promise<T>;
  /** Sends one message for which there is no other business: a transaction with its outbox row alone. @returns its key */
  saveAndSend(message: Omit<OutboxMessage, 'sendType'>): Promise<string>;
  /** One pass of the sweeper, also when it is not enabled. */
  sweepOnce(): Promise<SweepResult>;
  /** One question for check-backs and its answers. @returns verdicts given */
  answerOnce(waitMs?: number): Promise<number>;
};

/** Makes a producer; nothing runs before `start`. @throws InvalidMessage for a bad group */
export function createProducer(options: ProducerOptions): Producer {
  checkGroup(options.group);
  return new OutboxProducer(options);
}

class OutboxProducer implements Producer {
  readonly #knex: Knex;
  readonly #group: string;
  readonly #log: Log;
  readonly #sweepEnabled: boolean;
  readonly #checkBackEnabled: boolean;
  readonly #openKeys = new OpenKeys();
  readonly #background: Background;
  readonly #availability: TpcAvailability;
  readonly #sweeper: Sweeper;
  readonly #checkBack: CheckBack;
  readonly #transactionParts: TransactionParts;
  readonly #open = new Set<Promise<unknown>>();
  readonly #metrics: ProducerMetrics;
  #stopObserving: () => void = () => {};
  #store: Promise<string> | undefined;
  #storeId = '';
  #stopped = false;

  // biome-ignore lint/complexity/noExcessiveLinesPerFunction: wiring: the parts in the order in which they start
  constructor(options: ProducerOptions) {
    const { knex, group, tpc } = options;
    const log = discreet(options.log ?? firstFailuresLog());
    checkSessionsOf(knex);
    limitStatements(knex, options.statementLimitMs ?? DEFAULT_STATEMENT_LIMIT_MS);
    this.#metrics = createProducerMetrics(options.meterProvider, group);
    const { onEvent, traceContext } = harmlessTelemetry(options, this.#metrics, log);
    const { prepareBudgetMs = DEFAULT_PREPARE_BUDGET_MS, callDeadlineMs = DEFAULT_CALL_DEADLINE_MS, instanceId = uuidv7() } = options;
    const sweep = { ...DEFAULT_SWEEP, ...options.sweep };
    const checkBack = { ...DEFAULT_CHECK_BACK, ...options.checkBack };
    const storeId = () => this.#readStoreId();
    this.#knex = knex;
    this.#group = group;
    this.#log = log;
    this.#sweepEnabled = sweep.enabled;
    this.#checkBackEnabled = checkBack.enabled;
    this.#background = new Background(log);
    const tracing = messageTracer(options.tracer);
    const calls = new BatchedTpcClient({ tpc, group, storeId, prepareBudgetMs, callDeadlineMs, tracing });
    this.#availability = new TpcAvailability({
      tpc,
      registration: async () => registration(options, instanceId, await storeId()),
      deadlineMs: callDeadlineMs,
      probe: options.probe ?? DEFAULT_PROBE,
      log,
      onEvent,
      onOnline: () => {
        delivery.sendHeld();
        this.#sweeper.wake();
      },
    });
    const availability = this.#availability;
    const lingerMs = options.acknowledgeLingerMs ?? DEFAULT_ACKNOWLEDGE_LINGER_MS;
    const { firstWaitMs } = sweep;
    const delivery = new Delivery({ knex, calls, availability, background: this.#background, lingerMs, firstWaitMs, log, onEvent, tracing });
    this.#sweeper = new Sweeper({ knex, group, calls, availability, delivery, log, tracing, ...sweep });
    const openKeys = this.#openKeys;
    this.#checkBack = new CheckBack({
      knex,
      tpc,
      availability,
      delivery,
      openKeys,
      group,
      instanceId,
      storeId,
      callDeadlineMs,
      log,
      onEvent,
      tracing,
      ...checkBack,
    });
    this.#transactionParts = {
      knex,
      group,
      limits: () => availability.limits,
      delivery,
      openKeys,
      prepareBudgetMs,
      firstWaitMs,
      traceContext,
      onEvent,
      tracing,
    };
  }

  async start(): Promise<void> {
    await this.#readStoreId();
    await checkDatabase(this.#knex, this.#log);
    for (const problem of await durabilityWarnings(this.#knex)) this.#log.warn({ problem }, 'the outbox database may lose committed transactions');
    for (const other of await findUnsweptGroups(this.#knex, this.#group)) {
      const fields = { producer_group: this.#group, other_group: other };
      this.#log.warn(
        fields,
        'committed messages of another producer group wait in this outbox, and no producer of that group sends them; was it renamed?',
      );
    }
    if (this.#stopped) return;
    this.#stopObserving = this.#metrics.observe(
      () => this.state(),
      () => readOutboxBacklog(this.#knex, this.#group),
    );
    this.#availability.start();
    if (this.#sweepEnabled) this.#sweeper.start();
    if (this.#checkBackEnabled) this.#checkBack.start();
  }

  async stop(deadlineMs: number): Promise<void> {
    const deadline = performance.now() + deadlineMs;
    this.#stopped = true;
    this.#stopObserving();
    await withDeadline(Promise.allSettled(this.#open), deadline - performance.now());
    const duties = Promise.all([this.#availability.stop(), this.#sweeper.stop(), this.#checkBack.stop()]);
    await withDeadline(duties, deadline - performance.now());
    await this.#background.drain(deadline - performance.now());
  }

  state(): ProducerState {
    return {
      mode: this.#availability.mode,
      registered: this.#availability.registered,
      openTransactions: this.#open.size,
      openKeys: this.#openKeys.size,
      pendingConfirms: this.#background.size,
      storeId: this.#storeId,
    };
  }

  async transaction<T>(work: Work<T>, { isolationLevel }: { isolationLevel?: Knex.IsolationLevels } = {}): Promise<T> {
    if (this.#stopped) throw new OutboxMisuse('the producer is stopped');
    const transaction = this.#readStoreId().then(() => BusinessTransaction.run(this.#transactionParts, work, isolationLevel));
    this.#open.add(transaction);
    try {
      return await transaction;
    } finally {
      this.#open.delete(transaction);
    }
  }

  saveAndSend(message: Omit<OutboxMessage, 'sendType'>): Promise<string> {
    return this.transaction((_tx, outbox) => outbox.add({ ...message, sendType: 'SAVE_AND_SEND' }));
  }

  sweepOnce(): Promise<SweepResult> {
    return this.#sweeper.sweepOnce();
  }

  answerOnce(waitMs = 0): Promise<number> {
    return this.#checkBack.answerOnce(waitMs);
  }

  /** Read once; again after a failure. */
  #readStoreId(): Promise<string> {
    this.#store ??= readStoreId(this.#knex).catch((error) => {
      this.#store = undefined;
      throw error;
    });
    return this.#store.then((storeId) => {
      this.#storeId = storeId;
      return storeId;
    });
  }
}

/** What telemetry throws costs a log line: it must neither stop a message nor hide that a transaction has committed. */
function harmlessTelemetry(
  { onEvent, traceContext }: ProducerOptions,
  metrics: ProducerMetrics,
  log: Log,
): Required<Pick<ProducerOptions, 'onEvent' | 'traceContext'>> {
  const harmless = <T>(what: string, work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      log.warn({ error_code: codeOf(error) }, `${what} threw`);
      return undefined;
    }
  };
  return {
    onEvent: (event) => {
      metrics.note(event);
      harmless('onEvent', () => onEvent?.(event));
    },
    traceContext: () => harmless('traceContext', () => traceContext?.()),
  };
}

/** Asks the server how it commits, too, so that no transaction has to. */
async function readStoreId(knex: Knex): Promise<string> {
  const { storeId } = await readStoreMeta(knex);
  await (await KnexSession.open(knex, { conditional: true })).commit();
  return storeId;
}

function registration({ group, topics = [], host = hostname(), outboxRetentionMs }: ProducerOptions, instanceId: string, storeId: string) {
  const outboxRetention = outboxRetentionMs === undefined ? undefined : toDuration(outboxRetentionMs);
  return { producerGroup: group, storeId, instanceId, topics: [...topics], host: host.slice(0, 128), outboxRetention, outboxNamesGroup: true };
}
