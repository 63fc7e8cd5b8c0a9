import { type Context, SpanKind } from '@opentelemetry/api';
import {
  batchAttributes,
  classifySqlError,
  contextUnder,
  inPacketTransaction,
  isTransient,
  type Loop,
  type MessageTracer,
  onlyKey,
  storedTraceOfContext,
  toDuration,
} from '@tpc/core';
import { type Outcome, type ReportOutcomesResult, type UncertainMessage, Verdict } from '@tpc/gen/tpc/v1/reliable_message_service';
import type { Knex } from 'knex';
import { errorOfItem, type TpcConnection, TpcError } from '../../connection/index.ts';
import type { Log } from '../../log.ts';
import { createDuty } from '../../loop.ts';
import { callUnderSpan } from '../../tracing.ts';
import type { Delivery } from '../delivery/delivery.ts';
import type { TpcAvailability } from '../delivery/tpc-availability.ts';
import { verdictOf } from '../domain/outbox-state.ts';
import type { ProducerEvent } from '../events.ts';
import { insertBarrier, lockOutboxState, type OutboxState, readOutboxStates } from '../store/outbox-rows.ts';
import type { OpenKeys } from '../transaction/open-keys.ts';

export type CheckBackParts = {
  knex: Knex;
  tpc: TpcConnection;
  availability: TpcAvailability;
  delivery: Delivery;
  openKeys: OpenKeys;
  group: string;
  instanceId: string;
  storeId: () => Promise<string>;
  waitMs: number;
  maxCount: number;
  callDeadlineMs: number;
  log: Log;
  onEvent: (event: ProducerEvent) => void;
  tracing: MessageTracer | undefined;
};

const ANOTHER_GROUP = 'TPC asks about a message whose outbox row another producer group wrote: no verdict; two groups have used one key';

/** Tries of one verdict whose barrier met a row that came in between. */
const MAX_READS = 3;
/** While TPC is away. */
const AWAY_WAIT_MS = 1_000;
/** After an empty answer, so that a TPC that does not wait is not asked in a circle. */
const EMPTY_WAIT_MS = 20;

const { VERDICT_COMMITTED, VERDICT_ROLLED_BACK, VERDICT_IN_PROGRESS, VERDICT_UNSPECIFIED } = Verdict;

/**
 * Answers TPC's question about prepared messages: did their transaction commit? The long poll needs no open port here. The outbox row is the
 * truth; where there is none, the barrier is written first, so that ROLLED_BACK stays true.
 */
export class CheckBack {
  readonly #parts: CheckBackParts;
  readonly #loop: Loop;

  constructor(parts: CheckBackParts) {
    this.#parts = parts;
    this.#loop = createDuty('answer check-backs', (signal) => this.#turn(signal), parts.log);
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  /**
   * One question and its answers.
   * @param waitMs how long TPC may wait for a message that is due, milliseconds
   * @returns how many verdicts were given
   */
  async answerOnce(waitMs = 0, signal?: AbortSignal): Promise<number> {
    const { tpc, group, instanceId, maxCount, callDeadlineMs } = this.#parts;
    const storeId = await this.#parts.storeId();
    const wait = toDuration(waitMs);
    const { messages } = await tpc.fetchUncertainMessages(
      { producerGroup: group, storeId, instanceId, maxCount, wait },
      { deadlineMs: waitMs + callDeadlineMs, ...(signal === undefined ? {} : { signal }) },
    );
    if (messages.length === 0) return 0;
    const began = Date.now();
    const outcomes = await this.#judge(messages);
    const traces = this.#traceVerdicts(messages, outcomes, began);
    const reported = traces === undefined ? outcomes : outcomes.map((outcome, index) => ({ ...outcome, ...traceparentOf(traces[index]) }));
    const attributes = batchAttributes('verdict', outcomes.length, onlyKey(outcomes.map(({ messageKey }) => messageKey)));
    const { results } = await callUnderSpan(this.#parts.tracing, { method: 'ReportOutcomes', of: traces ?? [], attributes }, (trace) =>
      tpc.reportOutcomes({ producerGroup: group, storeId, outcomes: reported }, { deadlineMs: callDeadlineMs, ...trace }),
    );
    await Promise.all(outcomes.map((outcome, index) => this.#taken(outcome, results[index], traces?.[index])));
    return outcomes.length;
  }

  /** Each verdict stands below TPC's question. */
  #traceVerdicts(messages: readonly UncertainMessage[], outcomes: readonly Outcome[], startTime: number): (Context | undefined)[] | undefined {
    const { tracing } = this.#parts;
    return (
      tracing &&
      messages.map(({ messageKey, topic, traceparent = '' }, index) => {
        const verdict = outcomes[index]?.verdict ?? VERDICT_UNSPECIFIED;
        const attributes = { 'tpc.verdict': nameOf(verdict) };
        const parent = { traceparent, tracestate: '' };
        const span = tracing.startMessage('verdict', { messageKey, topic }, { kind: SpanKind.INTERNAL, parent, startTime, attributes });
        span?.end();
        return span && contextUnder(span);
      })
    );
  }

  /** A verdict COMMITTED that TPC took is as good as a confirm. */
  async #taken({ messageKey, verdict }: Outcome, result: ReportOutcomesResult | undefined, trace: Context | undefined): Promise<void> {
    const error = errorOfItem(result?.status);
    if (error !== undefined) this.#parts.log.warn({ message_key: messageKey, status: error.status, reason: error.reason }, 'TPC refuses a verdict');
    else if (verdict === VERDICT_COMMITTED) await this.#parts.delivery.acknowledged(messageKey, 'check_back', '', trace);
  }

  async #turn(signal: AbortSignal): Promise<number> {
    if (this.#parts.availability.mode === 'outbox_only') return AWAY_WAIT_MS;
    try {
      return (await this.answerOnce(this.#parts.waitMs, signal)) === 0 ? EMPTY_WAIT_MS : 0;
    } catch (error) {
      if (signal.aborted || !(error instanceof TpcError) || !error.unavailable) throw error;
      this.#parts.availability.lost(error);
      return AWAY_WAIT_MS;
    }
  }

  async #judge(messages: readonly UncertainMessage[]): Promise<Outcome[]> {
    const { knex, group, openKeys } = this.#parts;
    const keys = messages.map((message) => message.messageKey);
    const asked = keys.filter((key) => !openKeys.has(key));
    // Most rows are there and committed, which never changes: one read without locks for all of them.
    const committed =
      asked.length === 0 ? new Map<string, OutboxState>() : await inPacketTransaction(knex, (tx) => readOutboxStates(tx, group, asked));
    const outcomes = [];
    for (const messageKey of keys) {
      const state = committed.get(messageKey);
      const verdict = state === undefined ? await judgeAbsent(knex, group, messageKey, openKeys) : verdictOn(state);
      if (state === 'of another group') this.#parts.log.error({ message_key: messageKey }, ANOTHER_GROUP);
      this.#tell(messageKey, verdict);
      outcomes.push({ messageKey, verdict });
    }
    return outcomes;
  }

  #tell(messageKey: string, verdict: Verdict): void {
    const name = nameOf(verdict);
    if (name === 'NONE') return;
    if (verdict !== VERDICT_IN_PROGRESS) this.#parts.log.info({ message_key: messageKey, verdict: name }, 'answered a check-back');
    this.#parts.onEvent({ type: 'verdict', verdict: name, messageKey });
  }
}

/** The row of another group says nothing about a transaction of this one, and its key is taken, so there can be no barrier. */
function verdictOn(state: OutboxState): Verdict {
  return state === 'of another group' ? VERDICT_UNSPECIFIED : verdictOf(state);
}

function nameOf(verdict: Verdict): 'COMMITTED' | 'ROLLED_BACK' | 'IN_PROGRESS' | 'NONE' {
  if (verdict === VERDICT_COMMITTED) return 'COMMITTED';
  if (verdict === VERDICT_ROLLED_BACK) return 'ROLLED_BACK';
  return verdict === VERDICT_IN_PROGRESS ? 'IN_PROGRESS' : 'NONE';
}

function traceparentOf(trace: Context | undefined): { traceparent?: string } {
  return trace === undefined ? {} : { traceparent: storedTraceOfContext(trace).traceparent };
}

/**
 * The verdict on a key without a committed row: its transaction is open, or was rolled back, or never was. Each look is a READ COMMITTED
 * transaction of its own, on the primary, so that nothing stays locked behind an error.
 */
export async function judgeAbsent(knex: Knex, group: string, key: string, openKeys: OpenKeys): Promise<Verdict> {
  for (let read = 1; read <= MAX_READS; read++) {
    if (openKeys.has(key)) return VERDICT_IN_PROGRESS;
    try {
      return await inPacketTransaction(knex, async (tx) => {
        const state = await lockOutboxState(tx, group, key);
        if (state !== undefined) return verdictOn(state);
        // On SQLite a transaction of this process may have begun while this one waited for the connection; then it is over by now.
        await insertBarrier(tx, group, key);
        return VERDICT_ROLLED_BACK;
      });
    } catch (error) {
      const kind = classifySqlError(error);
      if (kind === 'locked' || kind === 'deadlock') return VERDICT_IN_PROGRESS;
      if (isTransient(kind)) return VERDICT_UNSPECIFIED;
      if (kind !== 'duplicate') throw error;
      // A row came between the look and the barrier: look again.
    }
  }
  return VERDICT_IN_PROGRESS;
}
