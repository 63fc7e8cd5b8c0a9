import { NaturalBatcher } from '@tpc/core';
import type { Knex } from 'knex';
import { type TpcError, toTpcError } from '../connection/index.ts';
import type { Log } from '../log.ts';
import type { Background } from './background.ts';
import type { Calls } from './calls.ts';
import type { OutboxContent } from './content-codec.ts';
import { isRefusal } from './domain/refusal.ts';
import type { ProducerEvent, Via } from './events.ts';
import type { Link } from './link.ts';
import { acknowledgeOutboxRows } from './store/outbox-rows.ts';

/** What became of a prepare. `missed`: no answer in time, so TPC may or may not have it. `skipped`: not asked, TPC is away. */
export type Prepared = { outcome: 'prepared' | 'missed' | 'skipped' } | { outcome: 'refused'; error: TpcError };

type DeliveryParts = {
  knex: Knex;
  calls: Calls;
  link: Link;
  background: Background;
  gatherMs: number;
  log: Log;
  onEvent: (event: ProducerEvent) => void;
};

/**
 * Tells TPC what becomes of a message: prepared beside the business, confirmed after COMMIT, deleted after ROLLBACK. Confirm and delete are not
 * waited for; what fails here is found by the sweeper (the row is pending and due) or by check-back.
 */
export class Delivery {
  readonly #parts: DeliveryParts;
  readonly #acknowledge: NaturalBatcher<string, undefined>;

  constructor(parts: DeliveryParts) {
    this.#parts = parts;
    this.#acknowledge = new NaturalBatcher({
      name: 'outbox acknowledged',
      gatherMs: parts.gatherMs,
      flush: async (keys) => {
        await acknowledgeOutboxRows(parts.knex, keys);
        return keys.map(() => undefined);
      },
      bisect: () => false,
    });
  }

  /** Prepares a message whose outbox row stands. Never rejects; has an outcome within `budgetMs`. */
  async prepare(content: OutboxContent, budgetMs: number): Promise<Prepared> {
    const { calls, link } = this.#parts;
    const prepared = link.mode === 'online' ? await this.#tryPrepare(() => calls.prepare(content, performance.now() + budgetMs), budgetMs) : skipped;
    if (prepared.outcome === 'prepared') link.answered();
    this.#parts.onEvent({ type: 'prepare', outcome: prepared.outcome, topic: content.topic });
    return prepared;
  }

  async #tryPrepare(call: () => Promise<void>, budgetMs: number): Promise<Prepared> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Prepared>((resolve) => {
      timer = setTimeout(() => {
        this.#parts.link.lost(undefined);
        resolve({ outcome: 'missed' });
      }, budgetMs);
    });
    const answer = call().then(
      (): Prepared => ({ outcome: 'prepared' }),
      (thrown): Prepared => {
        const error = toTpcError(thrown);
        if (isRefusal(error)) return { outcome: 'refused', error };
        this.#failed(error);
        return { outcome: 'missed' };
      },
    );
    try {
      return await Promise.race([answer, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The transaction committed. */
  committed(content: OutboxContent, prepared: Promise<Prepared> | undefined): void {
    this.#parts.background.run('confirm', async () => {
      const outcome = (await prepared)?.outcome;
      if (this.#parts.link.mode === 'outbox_only') return;
      if (outcome === 'prepared') await this.#confirm(content);
      else if (content.sendType === 'SAVE_AND_SEND' || outcome === 'refused') await this.#sendWhole(content);
    });
  }

  /** The transaction certainly rolled back. */
  rolledBack(content: OutboxContent, prepared: Promise<Prepared> | undefined): void {
    this.#parts.background.run('delete', async () => {
      if ((await prepared)?.outcome !== 'prepared') return;
      try {
        await this.#parts.calls.remove(content.key);
      } catch (error) {
        // Check-back finds the barrier instead.
        this.#parts.log.debug({ message_key: content.key, reason: toTpcError(error).reason }, 'delete of a rolled back message failed');
      }
    });
  }

  /** TPC holds the commit durably, so the row needs no more work. */
  async acknowledged(key: string, via: Via, reason: string): Promise<void> {
    this.#parts.onEvent({ type: 'confirm', outcome: 'acknowledged', via, messageKey: key });
    if (reason === '') {
      await this.#acknowledge.add(key);
      return;
    }
    this.#parts.log.warn({ message_key: key, reason }, 'TPC stored the message as dead');
    this.#parts.onEvent({ type: 'dead', messageKey: key, reason });
    await acknowledgeOutboxRows(this.#parts.knex, [key], storable(reason));
  }

  async #confirm(content: OutboxContent): Promise<void> {
    try {
      await this.#parts.calls.confirm(content.key);
    } catch (thrown) {
      const error = toTpcError(thrown);
      // Whatever TPC has against a confirm (body cleaned away, unknown, rolled back): the full content is right in every state.
      if (isRefusal(error)) return this.#sendWhole(content);
      this.#failed(error);
      this.#parts.onEvent({ type: 'confirm', outcome: 'failed', via: 'confirm', messageKey: content.key });
      return;
    }
    await this.acknowledged(content.key, 'confirm', '');
  }

  async #sendWhole(content: OutboxContent): Promise<void> {
    let reason: string;
    try {
      reason = (await this.#parts.calls.saveAndSend(content)).reason;
    } catch (error) {
      this.#failed(toTpcError(error));
      this.#parts.onEvent({ type: 'confirm', outcome: 'failed', via: 'save_and_send', messageKey: content.key });
      return;
    }
    await this.acknowledged(content.key, 'save_and_send', reason);
  }

  #failed(error: TpcError): void {
    if (error.unavailable) this.#parts.link.lost(error);
    else this.#parts.log.error({ status: error.status, reason: error.reason, field: error.field }, 'TPC refuses calls of this producer');
  }
}

/** A reason as the column takes it. */
function storable(reason: string): string {
  return reason.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 64);
}

const skipped: Prepared = { outcome: 'skipped' };
