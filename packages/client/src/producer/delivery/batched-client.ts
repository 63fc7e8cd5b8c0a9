import type { Context } from '@opentelemetry/api';
import {
  batchAttributes,
  isKept,
  keptTraceparent,
  MAX_BATCH_BYTES,
  type MessageTracer,
  NaturalBatcher,
  onlyKey,
  storedTraceOfContext,
} from '@tpc/core';
import type { OutgoingMessage } from '@tpc/gen/tpc/v1/message';
import { errorOfItem, type TpcConnection, TpcError, toTpcError } from '../../connection/index.ts';
import { type CallTrace, callUnderSpan } from '../../tracing.ts';
import { type OutboxContent, sizeOnWire, toOutgoing } from '../outbox/content-codec.ts';

/** Bodies, headers and framing of one request: below what TPC takes of bodies alone. */
export const MAX_FLUSH_BYTES = MAX_BATCH_BYTES - 64 * 1024;
const MAX_BATCH_COUNT = 128;
/** Nobody waits for a confirm but its message, which takes longer than this on its way under load. All stages behind it take what it brings together. */
const MAX_CONFIRM_REST_MS = 20;
/** DeleteMessageByMessageKey has no batch form: so many go side by side. */
const MAX_DELETES = 32;

export type SendResult = {
  /** Why TPC stored it as DEAD; empty when it did not. */
  reason: string;
};

type CallsParts = {
  tpc: TpcConnection;
  group: string;
  storeId: () => Promise<string>;
  prepareBudgetMs: number;
  callDeadlineMs: number;
  tracing: MessageTracer | undefined;
};

/** What is sent, and the span that it is sent under, where there is one. */
type Traced<T> = { item: T; trace: Context | undefined };

/**
 * The library's calls to TPC. Calls of concurrent transactions travel together: while one request of a kind is under way, the next ones gather.
 * Each rejects with TpcError, or BatchDeadlineExceeded when it never left.
 */
export class BatchedTpcClient {
  readonly #parts: CallsParts;
  readonly #prepare: NaturalBatcher<Traced<OutboxContent>, undefined>;
  readonly #confirm: NaturalBatcher<Traced<string>, undefined>;
  readonly #send: NaturalBatcher<Traced<OutboxContent>, SendResult>;
  readonly #remove: NaturalBatcher<Traced<string>, undefined>;

  constructor(parts: CallsParts) {
    this.#parts = parts;
    const shared = { maxCount: MAX_BATCH_COUNT, maxBytes: MAX_FLUSH_BYTES, bisect: isAboutOneItem };
    const sizeOf = ({ item }: Traced<OutboxContent>) => sizeOnWire(item);
    this.#prepare = new NaturalBatcher<Traced<OutboxContent>, undefined>({
      name: 'prepare',
      ...shared,
      sizeOf,
      flush: (items) => this.#flushPrepare(items),
    });
    this.#confirm = new NaturalBatcher<Traced<string>, undefined>({
      name: 'confirm',
      ...shared,
      maxAdaptiveLingerMs: MAX_CONFIRM_REST_MS,
      flush: (keys) => this.#flushConfirm(keys),
    });
    this.#send = new NaturalBatcher({ name: 'save and send', ...shared, sizeOf, flush: (items) => this.#flushSend(items) });
    this.#remove = new NaturalBatcher<Traced<string>, undefined>({
      name: 'delete',
      ...shared,
      maxCount: MAX_DELETES,
      flush: (keys) => this.#flushRemove(keys),
    });
  }

  /** @param deadline on performance.now(); past it the message is not sent any more */
  async prepare(content: OutboxContent, deadline: number, trace?: Context): Promise<void> {
    await this.#prepare.add({ item: content, trace }, deadline);
  }

  async confirm(key: string, trace?: Context): Promise<void> {
    await this.#confirm.add({ item: key, trace });
  }

  /** Sends a committed message whole: right in every state of its key. */
  saveAndSend(content: OutboxContent, trace?: Context): Promise<SendResult> {
    return this.#send.add({ item: content, trace });
  }

  async remove(key: string, trace?: Context): Promise<void> {
    await this.#remove.add({ item: key, trace });
  }

  /** The full content of committed messages: right in every state of their keys. */
  async #flushSend(items: readonly Traced<OutboxContent>[]): Promise<(SendResult | TpcError)[]> {
    const { tpc, group, callDeadlineMs } = this.#parts;
    const request = { producerGroup: group, storeId: await this.#parts.storeId(), messages: items.map(toTracedOutgoing), committed: true };
    const { results } = await this.#call('BatchSaveAndSendMessage', 'save_and_send', items, (trace) =>
      tpc.batchSaveAndSendMessage(request, { deadlineMs: callDeadlineMs, ...trace }),
    );
    return items.map((_, index) => errorOfItem(required(results[index]).status) ?? { reason: required(results[index]).reason });
  }

  async #flushPrepare(items: readonly Traced<OutboxContent>[]): Promise<(undefined | TpcError)[]> {
    const { tpc, group, prepareBudgetMs } = this.#parts;
    const request = { producerGroup: group, storeId: await this.#parts.storeId(), messages: items.map(toTracedOutgoing) };
    const { results } = await this.#call('BatchSaveMessageWaitingConfirm', 'prepare', items, (trace) =>
      tpc.batchSaveMessageWaitingConfirm(request, { deadlineMs: prepareBudgetMs, ...trace }),
    );
    return items.map((_, index) => errorOfItem(required(results[index]).status));
  }

  async #flushConfirm(items: readonly Traced<string>[]): Promise<(undefined | TpcError)[]> {
    const { tpc, group, callDeadlineMs } = this.#parts;
    const traceparents = items.some(({ trace }) => isKept(trace))
      ? items.map(({ trace }) => storedTraceOfContext(trace).traceparent).join()
      : undefined;
    const request = { producerGroup: group, messageKeys: items.map(({ item }) => item), traceparents };
    const { results } = await this.#call('BatchConfirmAndSendMessage', 'confirm', items, (trace) =>
      tpc.batchConfirmAndSendMessage(request, { deadlineMs: callDeadlineMs, ...trace }),
    );
    return items.map((_, index) => errorOfItem(required(results[index]).status));
  }

  #flushRemove(items: readonly Traced<string>[]): Promise<(undefined | TpcError)[]> {
    const { tpc, group, callDeadlineMs } = this.#parts;
    return Promise.all(
      items.map((one) =>
        this.#call('DeleteMessageByMessageKey', 'delete', [one], (trace) =>
          tpc.deleteMessageByMessageKey({ producerGroup: group, messageKey: one.item }, { deadlineMs: callDeadlineMs, ...trace }),
        ).then(() => undefined, toTpcError),
      ),
    );
  }

  /** One call, under one span for all of its messages where any of them has one. */
  #call<T>(method: string, operation: string, items: readonly Traced<OutboxContent | string>[], call: (trace: CallTrace) => Promise<T>): Promise<T> {
    const { tracing } = this.#parts;
    if (tracing === undefined) return call({});
    const keys = items.map(({ item }) => (typeof item === 'string' ? item : item.key));
    const attributes = batchAttributes(operation, items.length, onlyKey(keys));
    return callUnderSpan(tracing, { method, of: items.map(({ trace }) => trace), attributes }, call);
  }
}

/** Below the call's own span stands what TPC does about it; what becomes of the message later stands below the span that made it. */
function toTracedOutgoing({ item, trace }: Traced<OutboxContent>): OutgoingMessage {
  const outgoing = toOutgoing(item);
  if (!isKept(trace)) return outgoing;
  return { ...outgoing, traceparent: keptTraceparent(item.traceparent), callTraceparent: storedTraceOfContext(trace).traceparent };
}

/** An answer without a result for an item is no consent: the item counts as not answered. */
function required<T>(result: T | undefined): T {
  if (result === undefined) throw toTpcError(new Error('TPC answered fewer results than were asked for'));
  return result;
}

/** A request that was refused as a whole is tried in halves: one bad item must not take the others with it. */
function isAboutOneItem(error: unknown): boolean {
  return error instanceof TpcError && !error.retryable && error.status !== 'UNAUTHENTICATED' && error.status !== 'PERMISSION_DENIED';
}
