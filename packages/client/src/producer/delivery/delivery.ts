import type { Context } from '@opentelemetry/api';
import { databaseAttributes, type MessageTracer, NaturalBatcher, onlyKey, statementsUnderSpan, withDeadline } from '@tpc/core';
import type { Knex } from 'knex';
import { type TpcError, toTpcError } from '../../connection/index.ts';
import type { Log } from '../../log.ts';
import { isRefusal } from '../domain/refusal.ts';
import type { ProducerEvent, Via } from '../events.ts';
import type { OutboxContent } from '../outbox/content-codec.ts';
import { acknowledgeOutboxRows } from '../store/outbox-rows.ts';
import type { Background } from './background.ts';
import type { BatchedTpcClient } from './batched-client.ts';
import { callSpan } from './call-span.ts';
import { RetryBuffer } from './retry-buffer.ts';
import type { TpcAvailability } from './tpc-availability.ts';

/** What became of a prepare. `missed`: no answer in time, so TPC may or may not have it. `skipped`: not asked, TPC is away. */
export type Prepared = { outcome: 'prepared' | 'missed' | 'skipped' } | { outcome: 'refused'; error: TpcError };

type DeliveryParts = {
  knex: Knex;
  calls: BatchedTpcClient;
  availability: TpcAvailability;
  background: Background;
  lingerMs: number;
  /** When the sweeper first looks at a row, milliseconds after its insert. */
  firstWaitMs: number;
  log: Log;
  onEvent: (event: ProducerEvent) => void;
  tracing?: MessageTracer | undefined;
};

const MAX_HELD_BYTES = 16 * 1024 * 1024;

/**
 * Tells TPC what becomes of a message: prepared beside the business, confirmed after COMMIT, deleted after ROLLBACK. Confirm and delete are not
 * waited for; what fails here goes again once TPC answers, else is found by the sweeper (the row is pending and due) or by check-back.
 */
export class Delivery {
  readonly #parts: DeliveryParts;
  readonly #held: RetryBuffer;
  readonly #acknowledge: NaturalBatcher<{ key: string; trace: Context | undefined }, undefined>;

  constructor(parts: DeliveryParts) {
    this.#parts = parts;
    this.#held = new RetryBuffer({ maxBytes: MAX_HELD_BYTES, maxAgeMs: parts.firstWaitMs });
    this.#acknowledge = new NaturalBatcher({
      name: 'outbox acknowledged',
      lingerMs: parts.lingerMs,
      flush: async (rows) => {
        const keys = rows.map(({ key }) => key);
        const attributes = parts.tracing && { ...databaseAttributes(parts.knex, 'UPDATE', 'tpc_outbox', keys.length), ...onlyKey(keys) };
        const update = () => acknowledgeOutboxRows(parts.knex, keys);
        await (attributes ? statementsUnderSpan(parts.tracing, { attributes, of: rows.map(({ trace }) => trace) }, update) : update());
        return keys.map(() => undefined);
      },
      bisect: () => false,
    });
  }

  /** Prepares a message whose outbox row stands. Never rejects; has an outcome within `budgetMs`. */
  async prepare(content: OutboxContent, budgetMs: number): Promise<Prepared> {
    const { calls, availability, tracing } = this.#parts;
    const span = tracing && callSpan(tracing, 'prepare', content);
    const call = () => calls.prepare(content, performance.now() + budgetMs, span?.context);
    const prepared = availability.mode === 'online' ? await this.#tryPrepare(call, budgetMs) : skipped;
    if (prepared.outcome === 'prepared') availability.answered();
    span?.end(prepared.outcome === 'prepared' ? undefined : prepared.outcome);
    this.#parts.onEvent({ type: 'prepare', outcome: prepared.outcome, topic: content.topic });
    return prepared;
  }

  async #tryPrepare(call: () => Promise<void>, budgetMs: number): Promise<Prepared> {
    const answer = call().then(
      (): Prepared => ({ outcome: 'prepared' }),
      (thrown): Prepared => {
        const error = toTpcError(thrown);
        if (isRefusal(error)) return { outcome: 'refused', error };
        this.#failed(error);
        return { outcome: 'missed' };
      },
    );
    return withDeadline(answer, budgetMs, () => {
      this.#parts.availability.lost(undefined);
      return { outcome: 'missed' };
    });
  }

  /** The transaction committed. */
  committed(content: OutboxContent, prepared: Promise<Prepared> | undefined): void {
    this.#parts.background.run('confirm', async () => {
      const outcome = (await prepared)?.outcome;
      if (this.#parts.availability.mode === 'outbox_only') this.#held.hold(content);
      else if (outcome === 'prepared') await this.#confirm(content);
      else await this.#sendWhole(content);
    });
  }

  /** TPC answers again: what was committed meanwhile goes at once. It is of interest, whatever was decided where its trace began. */
  sendHeld(): void {
    for (const { content, since } of this.#held.take())
      this.#parts.background.run('send held message', () => this.#sendWhole(content, { keep: true, since }));
  }

  /** The transaction certainly rolled back. */
  rolledBack(content: OutboxContent, prepared: Promise<Prepared> | undefined): void {
    this.#parts.background.run('delete', async () => {
      if ((await prepared)?.outcome !== 'prepared') return;
      const { tracing, calls } = this.#parts;
      const span = tracing && callSpan(tracing, 'delete', content);
      try {
        await calls.remove(content.key, span?.context);
        span?.end();
      } catch (error) {
        span?.end(toTpcError(error).status);
        // Check-back finds the barrier instead.
        this.#parts.log.debug({ message_key: content.key, reason: toTpcError(error).reason }, 'delete of a rolled back message failed');
      }
    });
  }

  /** TPC holds the commit durably, so the row needs no more work. */
  async acknowledged(key: string, via: Via, reason: string, trace?: Context): Promise<void> {
    this.#parts.availability.heard();
    this.#parts.onEvent({ type: 'confirm', outcome: 'acknowledged', via, messageKey: key });
    if (reason === '') {
      await this.#acknowledge.add({ key, trace });
      return;
    }
    this.#parts.log.warn({ message_key: key, reason }, 'TPC stored the message as dead');
    this.#parts.onEvent({ type: 'dead', messageKey: key, reason });
    await acknowledgeOutboxRows(this.#parts.knex, [key], storable(reason));
  }

  async #confirm(content: OutboxContent): Promise<void> {
    const { tracing, calls } = this.#parts;
    const span = tracing && callSpan(tracing, 'confirm', content);
    try {
      await calls.confirm(content.key, span?.context);
      span?.end();
    } catch (thrown) {
      const error = toTpcError(thrown);
      span?.end(error.status);
      // Whatever TPC has against a confirm (body cleaned away, unknown, rolled back): the full content is right in every state.
      if (isRefusal(error)) return this.#sendWhole(content);
      this.#failed(error, content);
      this.#parts.onEvent({ type: 'confirm', outcome: 'failed', via: 'confirm', messageKey: content.key });
      return;
    }
    await this.acknowledged(content.key, 'confirm', '', span?.context);
  }

  async #sendWhole(content: OutboxContent, { keep, since }: { keep?: true; since?: number } = {}): Promise<void> {
    let reason: string;
    const { tracing, calls } = this.#parts;
    const span = tracing && callSpan(tracing, 'save_and_send', content, keep && { keep });
    try {
      reason = (await calls.saveAndSend(content, span?.context)).reason;
      span?.end(reason === '' ? undefined : reason);
    } catch (error) {
      span?.end(toTpcError(error).status);
      this.#failed(toTpcError(error), content, since);
      this.#parts.onEvent({ type: 'confirm', outcome: 'failed', via: 'save_and_send', messageKey: content.key });
      return;
    }
    await this.acknowledged(content.key, 'save_and_send', reason, span?.context);
  }

  /** The sweeper sent a committed message and TPC did not take it; its row keeps the error. Only what is about this message is told here. */
  notTaken(key: string, attempts: number, error: TpcError): void {
    const fields = { message_key: key, status: error.status, reason: error.reason, attempts };
    if (!error.retryable) this.#parts.log.error(fields, 'TPC refuses a committed message');
    else if (error.ofItem) this.#parts.log.warn(fields, 'TPC does not take a committed message; it is sent again');
    this.#parts.onEvent({ type: 'confirm', outcome: 'failed', via: 'sweep', messageKey: key });
  }

  /**
   * @param committed what TPC was to be told of, if that is certain to have committed
   * @param since when it was first held, if it was
   */
  #failed(error: TpcError, committed?: OutboxContent, since?: number): void {
    if (error.saysAway) {
      if (committed) this.#held.hold(committed, since);
      this.#parts.availability.lost(error);
    } else if (error.ofItem && error.retryable) {
      // The sweeper finds its row.
      this.#parts.log.debug({ message_key: committed?.key, status: error.status, reason: error.reason }, 'TPC did not take a message');
    } else this.#parts.log.error({ status: error.status, reason: error.reason, field: error.field }, 'TPC refuses calls of this producer');
  }
}

/** A reason as the column takes it. */
function storable(reason: string): string {
  return reason.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 64);
}

const skipped: Prepared = { outcome: 'skipped' };
