import { type Loop, longestWait, type MessageSpan, type MessageTracer, type RetryPolicy, waitBeforeRetry } from '@tpc/core';
import type { Knex } from 'knex';
import { v4 as uuidv4 } from 'uuid';
import { beyond, CLOCK_SET_BACK, onceAMinute } from '../../clock/far-due.ts';
import { MAX_RETRY_AFTER_MS, TpcError, toTpcError } from '../../connection/index.ts';
import type { Log } from '../../log.ts';
import { createDuty } from '../../loop.ts';
import { type ClaimedRow, claimDueRows, type FailedRow, rescheduleRows } from '../store/claim-rows.ts';
import { pullInFarDue } from '../store/pull-in-far-due.ts';
import { type BatchedTpcClient, MAX_FLUSH_BYTES, type SendResult } from './batched-client.ts';
import { callSpan } from './call-span.ts';
import type { Delivery } from './delivery.ts';
import type { TpcAvailability } from './tpc-availability.ts';

export type SweeperParts = {
  knex: Knex;
  group: string;
  calls: BatchedTpcClient;
  availability: TpcAvailability;
  delivery: Delivery;
  intervalMs: number;
  batchSize: number;
  leaseMs: number;
  /** From the insert of a row to its first sweep, milliseconds. */
  firstWaitMs: number;
  retry: RetryPolicy;
  log: Log;
  tracing: MessageTracer | undefined;
};

export type SweepResult = {
  claimed: number;
  /** Taken by TPC, durably. */
  sent: number;
  /** Due again later. */
  failed: number;
};

const NAMELESS =
  'committed outbox rows name no producer group, and several groups write here: nobody sends them. Set producer_group on these rows of tpc_outbox';

/** Room for what a row takes in a request beside its body: headers, key, names. Bodies claimed together stay below it. */
const CLAIM_BYTES = MAX_FLUSH_BYTES / 2;

/**
 * Finds committed messages of which TPC has not acknowledged the commit (the process died, TPC was away, a confirm was lost) and sends them whole,
 * with committed = true: right in every state of their keys, and never refused. It gives up on none.
 */
export class Sweeper {
  readonly #parts: SweeperParts;
  readonly #loop: Loop;
  readonly #pullIn: () => Promise<void>;
  #toldNameless = 0;

  constructor(parts: SweeperParts) {
    this.#parts = parts;
    this.#loop = createDuty('sweep outbox', (signal) => this.#turn(signal), parts.log);
    this.#pullIn = onceAMinute(() => this.#pullInFarDue());
  }

  start(): void {
    this.#loop.start();
  }

  wake(): void {
    this.#loop.wake();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  /** One claim, and its messages sent. */
  async sweepOnce(): Promise<SweepResult> {
    const { knex, group, batchSize, leaseMs, availability } = this.#parts;
    await this.#pullIn();
    const token = uuidv4();
    // A group that TPC does not take beside another on this database takes no row of which it is not sure.
    const claim = { group, token, maxCount: batchSize, maxBytes: CLAIM_BYTES, leaseMs, adopts: availability.registered };
    const { rows, nameless } = await claimDueRows(knex, claim);
    this.#noteNameless(nameless);
    if (rows.length === 0) return { claimed: 0, sent: 0, failed: 0 };
    const spans = this.#startSpans(rows);
    const results = await this.#send(rows, spans);
    const failed: FailedRow[] = [];
    const acknowledging = rows.map(({ content, attempts }, index) => {
      const result = results[index] as SendResult | TpcError;
      spans?.[index]?.end(result instanceof TpcError ? result.status : result.reason || undefined);
      if (!(result instanceof TpcError)) return this.#parts.delivery.acknowledged(content.key, 'sweep', result.reason, spans?.[index]?.context);
      failed.push(this.#failedRow(content.key, attempts, result));
      return undefined;
    });
    await Promise.all(acknowledging);
    await rescheduleRows(knex, token, failed);
    return { claimed: rows.length, sent: rows.length - failed.length, failed: failed.length };
  }

  /** What would wait until the database's clock has come again to where it was before it was set back. */
  async #pullInFarDue(): Promise<void> {
    const { knex, group, leaseMs, firstWaitMs, retry, log } = this.#parts;
    const longestMs = beyond(leaseMs, firstWaitMs, longestWait(retry), MAX_RETRY_AFTER_MS);
    const count = await pullInFarDue(knex, { group, longestMs, leaseMs });
    if (count > 0) log.warn({ count }, CLOCK_SET_BACK);
  }

  /** Rows that nobody sweeps must not go unseen; told again only when there are others. */
  #noteNameless(count: number): void {
    if (count > 0 && count !== this.#toldNameless) this.#parts.log.error({ count }, NAMELESS);
    this.#toldNameless = count;
  }

  /** A message that has to be swept is of interest, whatever was decided where its trace began. */
  #startSpans(rows: readonly ClaimedRow[]): MessageSpan[] | undefined {
    const { tracing } = this.#parts;
    return (
      tracing &&
      rows.map(({ content, attempts }) =>
        callSpan(tracing, 'save_and_send', content, { keep: true, attributes: { 'tpc.via': 'sweep', 'tpc.attempt': attempts } }),
      )
    );
  }

  #failedRow(key: string, attempts: number, error: TpcError): FailedRow {
    this.#parts.delivery.notTaken(key, attempts, error);
    const growing = waitBeforeRetry(this.#parts.retry, attempts, Math.random());
    // An item that is refused again and again is asked for less and less often, whatever TPC says.
    const waitMs = error.ofItem ? Math.max(growing, error.retryAfterMs ?? 0) : (error.retryAfterMs ?? growing);
    return { key, waitMs, error: `${error.status} ${error.reason} ${error.message}` };
  }

  /** As few requests as their size allows; one that TPC refuses as a whole is halved, so that a bad message fails alone. */
  async #send(rows: readonly ClaimedRow[], spans: readonly MessageSpan[] | undefined): Promise<readonly (SendResult | TpcError)[]> {
    const send = (row: ClaimedRow, index: number) => this.#parts.calls.saveAndSend(row.content, spans?.[index]?.context).catch(toTpcError);
    const results = await Promise.all(rows.map(send));
    const away = results.find((result) => result instanceof TpcError && result.saysAway);
    if (away !== undefined) this.#parts.availability.lost(away as TpcError);
    return results;
  }

  /** While TPC is away rows keep their place; the sweeper is woken when TPC is back. */
  async #turn(signal: AbortSignal): Promise<number> {
    const { availability, intervalMs, batchSize } = this.#parts;
    if (availability.mode === 'outbox_only') return intervalMs;
    for (;;) {
      const { claimed, failed } = await this.sweepOnce();
      if (signal.aborted || failed > 0 || claimed < batchSize) return intervalMs;
    }
  }
}
