/** What a batch may hold. */
export type BatchCaps = { maxCount: number; maxBytes: number };

/**
 * Takes the next batch off the front of a queue: as many as fit both caps, and always at least one, since a message larger than the cap
 * can only travel alone.
 */
export function takeBatch<T extends { bytes: number }>(queue: T[], caps: BatchCaps): T[] {
  let count = 0;
  let bytes = 0;
  for (const item of queue) {
    if (count > 0 && (count >= caps.maxCount || bytes + item.bytes > caps.maxBytes)) break;
    count += 1;
    bytes += item.bytes;
  }
  return queue.splice(0, count);
}

/** Rough size of a message on the wire beyond its body: system properties and framing. */
const MESSAGE_OVERHEAD_BYTES = 256;

/** How much of a batch's byte cap a message uses. */
export function wireBytes(message: { body: Uint8Array; keys: readonly string[]; properties: Readonly<Record<string, string>> }): number {
  let bytes = message.body.byteLength + MESSAGE_OVERHEAD_BYTES;
  for (const key of message.keys) bytes += key.length;
  for (const [name, value] of Object.entries(message.properties)) bytes += 3 * (name.length + value.length);
  return bytes;
}
