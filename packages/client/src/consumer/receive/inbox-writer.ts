import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '@opentelemetry/api';
import type { ReceivedBrokerMessage } from '@tpc/broker';
import { databaseAttributes, errorTypeOf, isContentFault, type MessageSpan, NaturalBatcher, onlyKey, redact, statementsUnderSpan } from '@tpc/core';
import type { Settings } from '../defaults.ts';
import { type Admission, decideAdmission, tombstone } from '../domain/decide-admission.ts';
import type { Arrival } from '../domain/decide-arrival.ts';
import type { InboxRow } from '../domain/inbox-row.ts';
import { messageFields } from '../domain/message-fields.ts';
import { InboxState, Reason, ReportKind } from '../domain/states.ts';
import { describeError } from '../errors.ts';
import { persist } from '../handle/persist.ts';
import { receiveSpan } from '../handle/row-span.ts';
import type { Telemetry } from '../observe/counters.ts';
import type { Reporter } from '../report/reporter.ts';
import { type NewInboxRow, readStoredRows } from '../store/insert-inbox.ts';
import type { PrefetchQueue } from './prefetch-queue.ts';
import { storeArrivals } from './store-arrivals.ts';

/** How long a batch waits for the database before it is left to the broker's redelivery; below the broker's invisible time. */
const STORE_PATIENCE_MS = 10_000;
const MAX_FLUSH = 256;
/** How often a broken inbox is looked at. */
const PROBE_MS = 200;

type Item = NewInboxRow & { leaseUntil: number; trace: Context | undefined };

/**
 * The way of a delivery into the inbox: decide, store (many in one INSERT), and only then let the broker forget it. What finds room in memory is
 * stored as claimed by this process and handled from memory; the rest is stored due, for whoever has room. Tombstones keep one bad message from
 * blocking its batch.
 */
export class InboxWriter {
  readonly #settings: Settings;
  readonly #telemetry: Telemetry;
  readonly #queues: ReadonlyMap<string, PrefetchQueue>;
  readonly #reporter: Reporter;
  readonly #onBacklog: (topic: string) => void;
  readonly #inserts: NaturalBatcher<Item, Arrival>;
  #broken = false;

  constructor(parts: {
    settings: Settings;
    telemetry: Telemetry;
    queues: ReadonlyMap<string, PrefetchQueue>;
    reporter: Reporter;
    /** Called when rows were stored that found no room in memory. */
    onBacklog: (topic: string) => void;
  }) {
    this.#settings = parts.settings;
    this.#telemetry = parts.telemetry;
    this.#queues = parts.queues;
    this.#reporter = parts.reporter;
    this.#onBacklog = parts.onBacklog;
    this.#inserts = new NaturalBatcher<Item, Arrival>({
      name: 'inbox',
      maxCount: MAX_FLUSH,
      sizeOf: (item) => item.row.body?.byteLength ?? 0,
      bisect: isContentFault,
      flush: (items) => this.#flush(items),
    });
  }

  /**
   * Takes what the broker gave. Resolves once all of it is in the inbox, or known not to belong there.
   * @throws the database's error when it cannot store now; the broker then delivers all of it again
   */
  async take(messages: readonly ReceivedBrokerMessage[]): Promise<void> {
    const { group, maxBodyBytes } = this.#settings;
    const taken = messages.map((message) => this.#admit(message, decideAdmission(message, group, maxBodyBytes)));
    const results = await Promise.allSettled(taken);
    const failed = results.find((result) => result.status === 'rejected');
    this.#broken = failed !== undefined;
    // The adapter logs what it gets: no body may be in it.
    if (failed !== undefined) throw redact(failed.reason);
  }

  /** Waits while the inbox takes nothing: what is received then only uses up the broker's deliveries. */
  async untilStorable(goOn: () => boolean): Promise<void> {
    const { knex, group, log } = this.#settings;
    while (this.#broken && goOn()) {
      try {
        await readStoredRows(knex, group, ['']);
        this.#broken = false;
      } catch (error) {
        log.debug({ err: error }, 'the inbox cannot be read; nothing is received');
        await sleep(PROBE_MS);
      }
    }
  }

  async #admit(message: ReceivedBrokerMessage, admission: Admission): Promise<void> {
    if (admission.kind === 'drop') {
      this.#telemetry.emit({ type: 'dropped', topic: message.topic, count: 1 });
      const fields = { topic: message.topic, broker_message_id: message.brokerMessageId, why: admission.why };
      // A redelivery for one group reaches all of them: that is no news.
      this.#settings.log[admission.why === 'for another group' ? 'debug' : 'warn'](fields, 'a message was dropped');
      return;
    }
    const { tracing, group } = this.#settings;
    const span = tracing && receiveSpan(tracing, group, admission.row);
    try {
      const failure = await (admission.kind === 'tombstone' ? this.#storeTombstone(admission, span) : this.#storeOrTombstone(admission.row, span));
      span?.end(failure);
    } catch (error) {
      span?.end(errorTypeOf(error));
      throw error;
    }
  }

  /** @returns why it is dead from the start, where it is */
  async #storeOrTombstone(row: InboxRow, span: MessageSpan | undefined): Promise<string | undefined> {
    try {
      await this.#store(row, span);
      return undefined;
    } catch (error) {
      if (!isContentFault(error)) throw error;
      return this.#storeTombstone(tombstone(row, Reason.UNSTORABLE, describeError(error)), span);
    }
  }

  async #store(row: InboxRow, span: MessageSpan | undefined): Promise<void> {
    const { leaseMs } = this.#settings;
    const queue = this.#queues.get(row.topic);
    const bytes = row.body?.byteLength ?? 0;
    const claim = queue?.reserve(bytes) ? randomUUID() : undefined;
    let pushed = false;
    try {
      const leaseUntil = performance.now() + leaseMs;
      const arrival = await this.#inserts.add({ row, claim, dead: undefined, leaseUntil, trace: span?.context });
      this.#note(row, arrival, span);
      if (arrival.kind !== 'new') return;
      if (claim === undefined) this.#onBacklog(row.topic);
      else {
        queue?.push([{ ...row, claim, leaseUntil }], bytes);
        pushed = true;
      }
    } finally {
      if (claim !== undefined && !pushed) queue?.cancel(1, bytes);
    }
  }

  async #storeTombstone({ row, reason, detail }: Admission & { kind: 'tombstone' }, span: MessageSpan | undefined): Promise<string | undefined> {
    span?.keep();
    const arrival = await this.#inserts.add({ row, claim: undefined, dead: { reason, detail }, leaseUntil: 0, trace: span?.context });
    if (arrival.kind !== 'new') {
      this.#note(row, arrival, span);
      return undefined;
    }
    this.#telemetry.emit({ type: 'tombstone', topic: row.topic, count: 1 });
    this.#settings.log.warn({ ...messageFields(row, this.#settings), reason, detail }, 'a message could not be stored; it is dead');
    this.#reporter.report({ ...keyOf(row), kind: ReportKind.FAILED, reason, detail, trace: span?.context });
    return reason;
  }

  #note(row: InboxRow, arrival: Arrival, span: MessageSpan | undefined): void {
    // A copy that came again is of interest, whatever was decided where its trace began.
    if (arrival.kind !== 'new') span?.keep();
    span?.set('tpc.arrival', arrival.kind);
    const trace = span?.context;
    const key = keyOf(row);
    const types = { new: 'stored', duplicate: 'duplicate', repeated: 'duplicate', older: 'older' } as const;
    this.#telemetry.emit({ type: types[arrival.kind], topic: row.topic, count: 1 });
    this.#settings.log.debug({ ...messageFields(row, this.#settings), arrival: arrival.kind }, 'a message has arrived');
    if (arrival.kind === 'new') this.#reporter.report({ ...key, kind: ReportKind.RECEIVED, reason: '', detail: '', trace });
    // TPC would not have sent it again if it had heard: say it once more.
    if (arrival.kind === 'duplicate' && arrival.stored.reason !== Reason.SUPERSEDED) {
      const { state, reason, detail } = arrival.stored;
      const kind = state === InboxState.CONSUMED ? ReportKind.CONSUMED : state === InboxState.DEAD ? ReportKind.FAILED : ReportKind.RECEIVED;
      this.#reporter.report({ ...key, kind, reason, detail, trace });
    }
  }

  #flush(items: readonly Item[]): Promise<Arrival[]> {
    const { knex, group, leaseMs, reportRepeatMs, tracing } = this.#settings;
    const deadline = performance.now() + STORE_PATIENCE_MS;
    const store = () => storeArrivals(knex, group, items, { leaseMs, reportAfterMs: reportRepeatMs });
    const persistAll = () => persist(store, () => performance.now() < deadline);
    if (tracing === undefined) return persistAll();
    const keys = items.map(({ row }) => row.messageKey);
    const attributes = { ...databaseAttributes(knex, 'INSERT', 'tpc_inbox', items.length), ...onlyKey(keys) };
    return statementsUnderSpan(tracing, { attributes, of: items.map(({ trace }) => trace) }, persistAll);
  }
}

function keyOf(row: InboxRow): { messageKey: string; generation: number } {
  return { messageKey: row.messageKey, generation: row.generation };
}
