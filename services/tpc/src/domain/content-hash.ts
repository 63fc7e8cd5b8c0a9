import { createHash } from 'node:crypto';

/** Headers that carry a trace: they differ at each try of the same event, so they are no part of its content. In lower case. */
const TRACE_HEADERS = new Set(['traceparent', 'tracestate', 'baggage']);

/** What makes two contents the same event. `order` and `delay` have their defaults until they are served. */
export type HashedContent = {
  topic: string;
  tag: string;
  body: Buffer;
  contentType: string;
  headers: Readonly<Record<string, string>>;
  orderKey?: string;
  orderSeq?: number;
  delayMs?: number;
  deliverAt?: number;
};

/**
 * SHA-256 of the original content in a canonical form: every part with its length in front, headers sorted by name, trace headers left out. A text
 * body hashes like its UTF-8 bytes. Stored with each message; never change it, or a repeated save looks like another content.
 */
export function contentHash(content: HashedContent): Buffer {
  const hash = createHash('sha256');
  const part = (value: string | Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(Buffer.byteLength(value));
    hash.update(length).update(value);
  };
  for (const value of [content.topic, content.tag, content.contentType]) part(value);
  const names = Object.keys(content.headers).filter((name) => !TRACE_HEADERS.has(name.toLowerCase()));
  part(String(names.length));
  for (const name of names.sort()) {
    part(name);
    part(content.headers[name] as string);
  }
  for (const value of [content.orderKey ?? '', content.orderSeq ?? 0, content.delayMs ?? 0, content.deliverAt ?? 0]) part(String(value));
  part(content.body);
  return hash.digest();
}

/** Key under which another content than the known one is kept: the key, `#`, and 16 hexadecimal digits of the content's hash (design §3.5). */
export function conflictKey(messageKey: string, hash: Buffer): string {
  return `${messageKey}#${hash.toString('hex', 0, 8)}`;
}
