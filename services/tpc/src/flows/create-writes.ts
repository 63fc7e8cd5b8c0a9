import { isContentFault, MAX_BATCH, MAX_BATCH_BYTES, NaturalBatcher } from '@tpc/core';
import type { Refusal } from '../domain/reasons.ts';
import { MessageState } from '../domain/states.ts';
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
import { type ContentCache, createContentCache } from './content-cache.ts';
import type { Lease } from './leases.ts';
import type { Publishing } from './publishing.ts';
import { flushUnderSpan, keptAlong, traceWrites, type WriteTracing } from './write-spans.ts';
import type { Traced, Writes } from './writes.ts';

export type WritesOptions = {
  store: Pick<Store, 'saveMessages' | 'confirmMessages' | 'saveAndSendMessages' | 'deleteMessages' | 'applyVerdicts' | 'markDeliveries'>;
  publishing: Pick<Publishing, 'newClaim' | 'publish'>;
  maxQueued: number;
  /** Bytes of prepared contents that are kept in memory for their confirms. */
  contentCacheBytes: number;
  /** Told when a commit is durable but its message is not published from memory. */
  onContentError: (error: unknown) => void;
  /** Undefined: nothing is traced. */
  tracing?: WriteTracing | undefined;
};

/** What a message costs in a statement beside body and headers, bytes, roughly. */
const ROW_OVERHEAD_BYTES = 512;

export function createWrites(options: WritesOptions): Writes {
  const { store } = options;
  const cache = createContentCache(options.contentCacheBytes);
  const sized = (item: SaveItem) => contentBytes(item.content);
  const save = batcher<Traced<SaveItem>, StateResult>(
    'save',
    ['INSERT', 'message'],
    options,
    (items) => saveAndRemember(options, cache, items),
    sized,
  );
  const confirm = batcher<Traced<ConfirmItem>, StateResult>('confirm', ['BATCH', 'message'], options, (items) =>
    confirmAndPublish(options, cache, items),
  );
  const saveAndSend = batcher<Traced<SaveAndSendItem>, SaveAndSendResult>(
    'save and send',
    ['BATCH', 'message'],
    options,
    (items, until) => publishing(options, items, (claim) => store.saveAndSendMessages(items, claim, until)),
    sized,
  );
  const remove = batcher<Traced<DeleteItem>, StateResult>('delete', ['UPDATE', 'message'], options, (items) => store.deleteMessages(items));
  const verdict = batcher<Traced<VerdictItem>, StateResult>('verdict', ['BATCH', 'message'], options, (items) =>
    publishing(options, items, (claim) => store.applyVerdicts(items, claim)),
  );
  const mark = batcher<Traced<Mark>, MarkResult | Refusal>('mark', ['BATCH', 'confirm'], options, (items) => store.markDeliveries(items));
  const writes: Writes = {
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
  return options.tracing ? traceWrites(writes, options.tracing) : writes;
}

function batcher<I extends Traced<{ messageKey: string }>, O>(
  name: string,
  database: readonly [operation: string, table: string],
  { maxQueued, tracing }: WritesOptions,
  flush: (items: readonly I[], until: number) => Promise<readonly O[]>,
  sizeOf: (item: I) => number = () => 0,
): NaturalBatcher<I, O> {
  return new NaturalBatcher<I, O>({
    name,
    // A flush is one transaction of the store: otherwise a part that failed would hide what another part has claimed.
    flush: flushUnderSpan(tracing, database, flush),
    sizeOf,
    maxQueued,
    maxCount: MAX_BATCH,
    maxBytes: MAX_BATCH_BYTES,
    // A value that does not fit fails alone. Whatever else is wrong would meet each half as well: 2n − 1 statements and n errors instead of one.
    bisect: isContentFault,
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

async function confirmAndPublish(options: WritesOptions, cache: ContentCache, items: readonly Traced<ConfirmItem>[]): Promise<StateResult[]> {
  const known = items.map((item) => ({ ...item, content: cache.take(item.producerGroup, item.messageKey) }));
  return publishing(options, items, (claim) => options.store.confirmMessages(known, claim));
}

/** A call that may make messages SENDING: what it claims is published at once; nobody waits for that. */
async function publishing<R>(
  options: WritesOptions,
  items: readonly Traced<{ messageKey: string }>[],
  call: (claim: Lease) => Promise<{ results: R[]; publish: PublishItem[]; contentError?: unknown }>,
): Promise<R[]> {
  const claim = options.publishing.newClaim();
  const outcome = await call(claim);
  void options.publishing.publish(claim, options.tracing ? keptAlong(items, outcome.publish) : outcome.publish);
  if (outcome.contentError !== undefined) options.onContentError(outcome.contentError);
  return outcome.results;
}
