import { classifySqlError, isTransient, NaturalBatcher } from '@tpc/core';
import type { Refusal } from '../domain/reasons.ts';
import { MessageState } from '../domain/states.ts';
import { MAX_BATCH } from '../store/in-chunks.ts';
import type { Store } from '../store/store.ts';
import type {
  ConfirmItem,
  DeleteItem,
  Mark,
  MarkResult,
  MessageContent,
  PublishItem,
  SaveAndSendItem,
  SaveAndSendResult,
  SaveItem,
  StateResult,
  VerdictItem,
} from '../store/store-types.ts';
import type { TimedClaim } from './claims.ts';
import { type ContentCache, createContentCache } from './content-cache.ts';
import type { Publishing } from './publishing.ts';

/**
 * Every write of the calls, naturally batched: one flush of a kind at most is under way; what comes meanwhile leaves together in the next one. The
 * calls for one message and for many put their items into the same batches, so that a batch call gains nothing over many single ones but the round trip.
 *
 * `deadline` is on the clock of `performance.now()`; an item whose deadline has passed is dropped before its flush (BatchDeadlineExceeded).
 * A full queue refuses (BatcherFull). Errors of the database come through as they are.
 */
export interface Writes {
  save(item: SaveItem, deadline: number): Promise<StateResult>;
  confirm(item: ConfirmItem, deadline: number): Promise<StateResult>;
  saveAndSend(item: SaveAndSendItem, deadline: number): Promise<SaveAndSendResult>;
  delete(item: DeleteItem, deadline: number): Promise<StateResult>;
  verdict(item: VerdictItem, deadline: number): Promise<StateResult>;
  mark(item: Mark, deadline: number): Promise<MarkResult | Refusal>;
  /** Resolves when nothing waits and nothing is under way. */
  drain(): Promise<void>;
}

export type WritesOptions = {
  store: Pick<Store, 'saveMessages' | 'confirmMessages' | 'saveAndSendMessages' | 'deleteMessages' | 'applyVerdicts' | 'markDeliveries'>;
  publishing: Pick<Publishing, 'newClaim' | 'publish'>;
  maxQueued: number;
  /** Bytes of prepared contents that are kept in memory for their confirms. */
  contentCacheBytes: number;
  /** Told when a commit is durable but its message is not published from memory. */
  onContentError: (error: unknown) => void;
};

/** A flush is one transaction of the store: a part that failed would else hide what another part has claimed. */
const MAX_ITEMS = MAX_BATCH;
const MAX_BYTES = 2 * 1024 * 1024;
/** What a message costs in a statement beside body and headers, bytes, roughly. */
const ROW_OVERHEAD_BYTES = 512;

export function createWrites(options: WritesOptions): Writes {
  const { store } = options;
  const cache = createContentCache(options.contentCacheBytes);
  const sized = (item: SaveItem) => contentBytes(item.content);
  const save = batcher<SaveItem, StateResult>('save', options, (items) => saveAndRemember(options, cache, items), sized);
  const confirm = batcher<ConfirmItem, StateResult>('confirm', options, (items) => confirmAndPublish(options, cache, items));
  const saveAndSend = batcher<SaveAndSendItem, SaveAndSendResult>(
    'save and send',
    options,
    (items) => publishing(options, (claim) => store.saveAndSendMessages(items, claim)),
    sized,
  );
  const remove = batcher<DeleteItem, StateResult>('delete', options, (items) => store.deleteMessages(items));
  const verdict = batcher<VerdictItem, StateResult>('verdict', options, (items) => publishing(options, (claim) => store.applyVerdicts(items, claim)));
  const mark = batcher<Mark, MarkResult | Refusal>('mark', options, (items) => store.markDeliveries(items));
  return {
    save: (item, deadline) => save.add(item, deadline),
    confirm: (item, deadline) => confirm.add(item, deadline),
    saveAndSend: (item, deadline) => saveAndSend.add(item, deadline),
    delete: (item, deadline) => remove.add(item, deadline),
    verdict: (item, deadline) => verdict.add(item, deadline),
    mark: (item, deadline) => mark.add(item, deadline),
    drain: async () => {
      await Promise.all([save, confirm, saveAndSend, remove, verdict, mark].map((each) => each.drain()));
    },
  };
}

function batcher<I, O>(
  name: string,
  { maxQueued }: WritesOptions,
  flush: (items: readonly I[]) => Promise<readonly O[]>,
  sizeOf: (item: I) => number = () => 0,
): NaturalBatcher<I, O> {
  return new NaturalBatcher<I, O>({
    name,
    flush,
    sizeOf,
    maxQueued,
    maxCount: MAX_ITEMS,
    maxBytes: MAX_BYTES,
    // An absent database fails halves like the whole; a value that does not fit fails alone.
    bisect: (error) => !isTransient(classifySqlError(error)),
  });
}

function contentBytes(content: MessageContent): number {
  let bytes = content.body.length + ROW_OVERHEAD_BYTES;
  for (const [name, value] of Object.entries(content.headers)) bytes += name.length + value.length;
  return bytes;
}

async function saveAndRemember({ store }: WritesOptions, cache: ContentCache, items: readonly SaveItem[]): Promise<StateResult[]> {
  const results = await store.saveMessages(items);
  for (const [index, item] of items.entries()) {
    const result = results[index];
    if (result && 'state' in result && result.state === MessageState.WAITING_CONFIRM) cache.put(item.producerGroup, item.messageKey, item.content);
  }
  return results;
}

async function confirmAndPublish(options: WritesOptions, cache: ContentCache, items: readonly ConfirmItem[]): Promise<StateResult[]> {
  const known = items.map((item) => ({ ...item, content: cache.take(item.producerGroup, item.messageKey) }));
  return publishing(options, (claim) => options.store.confirmMessages(known, claim));
}

/** A call that may make messages SENDING: what it claims is published at once; nobody waits for that. */
async function publishing<R>(
  options: WritesOptions,
  call: (claim: TimedClaim) => Promise<{ results: R[]; publish: PublishItem[]; contentError?: unknown }>,
): Promise<R[]> {
  const claim = options.publishing.newClaim();
  const outcome = await call(claim);
  void options.publishing.publish(claim, outcome.publish);
  if (outcome.contentError !== undefined) options.onContentError(outcome.contentError);
  return outcome.results;
}
