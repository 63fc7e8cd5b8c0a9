import { NaturalBatcher } from '@tpc/core';
import { errorOfItem, type TpcConnection, TpcError, toTpcError } from '../connection/index.ts';
import { type OutboxContent, sizeOnWire, toOutgoing } from './content-codec.ts';

/** Below the 2 MiB that TPC takes in one request. */
export const MAX_BATCH_BYTES = 2 * 1024 * 1024 - 64 * 1024;
const MAX_BATCH_COUNT = 128;
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
};

/**
 * The library's calls to TPC. Calls of concurrent transactions travel together: while one request of a kind is under way, the next ones gather.
 * Each rejects with TpcError, or BatchDeadlineExceeded when it never left.
 */
export class Calls {
  readonly #parts: CallsParts;
  readonly #prepare: NaturalBatcher<OutboxContent, undefined>;
  readonly #confirm: NaturalBatcher<string, undefined>;
  readonly #send: NaturalBatcher<OutboxContent, SendResult>;
  readonly #remove: NaturalBatcher<string, undefined>;

  constructor(parts: CallsParts) {
    this.#parts = parts;
    const shared = { maxCount: MAX_BATCH_COUNT, maxBytes: MAX_BATCH_BYTES, bisect: isAboutOneItem };
    this.#prepare = new NaturalBatcher<OutboxContent, undefined>({
      name: 'prepare',
      ...shared,
      sizeOf: sizeOnWire,
      flush: (items) => this.#flushPrepare(items),
    });
    this.#confirm = new NaturalBatcher<string, undefined>({ name: 'confirm', ...shared, flush: (keys) => this.#flushConfirm(keys) });
    this.#send = new NaturalBatcher({ name: 'save and send', ...shared, sizeOf: sizeOnWire, flush: (items) => this.#flushSend(items) });
    this.#remove = new NaturalBatcher<string, undefined>({
      name: 'delete',
      ...shared,
      maxCount: MAX_DELETES,
      flush: (keys) => this.#flushRemove(keys),
    });
  }

  /** @param deadline on performance.now(); past it the message is not sent any more */
  async prepare(content: OutboxContent, deadline: number): Promise<void> {
    await this.#prepare.add(content, deadline);
  }

  async confirm(key: string): Promise<void> {
    await this.#confirm.add(key);
  }

  /** Sends a committed message whole: right in every state of its key. */
  saveAndSend(content: OutboxContent): Promise<SendResult> {
    return this.#send.add(content);
  }

  async remove(key: string): Promise<void> {
    await this.#remove.add(key);
  }

  /** The full content of committed messages: right in every state of their keys. */
  async #flushSend(contents: readonly OutboxContent[]): Promise<(SendResult | TpcError)[]> {
    const { tpc, group, callDeadlineMs } = this.#parts;
    const request = { producerGroup: group, storeId: await this.#parts.storeId(), messages: contents.map(toOutgoing), committed: true };
    const { results } = await tpc.batchSaveAndSendMessage(request, { deadlineMs: callDeadlineMs });
    return contents.map((_, index) => errorOfItem(required(results[index]).status) ?? { reason: required(results[index]).reason });
  }

  async #flushPrepare(contents: readonly OutboxContent[]): Promise<(undefined | TpcError)[]> {
    const { tpc, group, prepareBudgetMs } = this.#parts;
    const request = { producerGroup: group, storeId: await this.#parts.storeId(), messages: contents.map(toOutgoing) };
    const { results } = await tpc.batchSaveMessageWaitingConfirm(request, { deadlineMs: prepareBudgetMs });
    return contents.map((_, index) => errorOfItem(required(results[index]).status));
  }

  async #flushConfirm(keys: readonly string[]): Promise<(undefined | TpcError)[]> {
    const { tpc, group, callDeadlineMs } = this.#parts;
    const request = { producerGroup: group, messageKeys: [...keys] };
    const { results } = await tpc.batchConfirmAndSendMessage(request, { deadlineMs: callDeadlineMs });
    return keys.map((_, index) => errorOfItem(required(results[index]).status));
  }

  #flushRemove(keys: readonly string[]): Promise<(undefined | TpcError)[]> {
    const { tpc, group, callDeadlineMs } = this.#parts;
    return Promise.all(
      keys.map((messageKey) =>
        tpc.deleteMessageByMessageKey({ producerGroup: group, messageKey }, { deadlineMs: callDeadlineMs }).then(() => undefined, toTpcError),
      ),
    );
  }
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
