import type { MessageContent } from '../store/store-types.ts';

/**
 * Contents of prepared messages that will probably be confirmed in a moment by the same process, so that a confirm need not read them back. Bounded by
 * bytes; the oldest go first. Losing one costs one read.
 */
export interface ContentCache {
  put(producerGroup: string, messageKey: string, content: MessageContent): void;
  /** Takes a content out. */
  take(producerGroup: string, messageKey: string): MessageContent | undefined;
}

/**
 * How much is left of a full cache: the oldest go many at a time. A Map that loses its first entry with each new one is read past all that it has lost,
 * thousands, to find the next; and where another replica confirms what this one has prepared, a cache is always full.
 */
const KEPT_SHARE = 7 / 8;

/** What an entry costs beside its body, bytes, roughly. */
const ENTRY_OVERHEAD_BYTES = 512;

export function createContentCache(maxBytes: number): ContentCache {
  const entries = new Map<string, MessageContent>();
  let bytes = 0;
  const drop = (id: string): MessageContent | undefined => {
    const content = entries.get(id);
    if (!content) return undefined;
    entries.delete(id);
    bytes -= content.body.length + ENTRY_OVERHEAD_BYTES;
    return content;
  };
  const makeRoom = () => {
    for (const oldest of entries.keys()) {
      drop(oldest);
      if (bytes <= maxBytes * KEPT_SHARE) return;
    }
  };
  return {
    put(producerGroup, messageKey, content) {
      const id = idOf(producerGroup, messageKey);
      drop(id);
      entries.set(id, content);
      bytes += content.body.length + ENTRY_OVERHEAD_BYTES;
      if (bytes > maxBytes) makeRoom();
    },
    take: (producerGroup, messageKey) => drop(idOf(producerGroup, messageKey)),
  };
}

/** A space occurs in no group and no key. */
const idOf = (producerGroup: string, messageKey: string) => `${producerGroup} ${messageKey}`;
