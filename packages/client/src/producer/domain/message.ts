import { isGroupName, keyProblem } from './message-key.ts';

/** How a message leaves: prepared before COMMIT and confirmed after it, or sent whole after COMMIT. */
export type SendType = 'WAIT_CONFIRM' | 'SAVE_AND_SEND';

/** What a caller hands to `outbox.add`. */
export type OutboxMessage = {
  /** At most 64 characters of [A-Za-z0-9_-]. */
  topic: string;
  /** At most 64 characters of [A-Za-z0-9_-]. Default: none. */
  tag?: string;
  /** 1 byte to 1 MiB; text is sent as UTF-8. */
  body: string | Uint8Array;
  /** Key of the event: a UUID in lower case, or `<group>:<yours>`. Default: a new UUIDv7. */
  key?: string;
  /** Media type of the body, at most 128 characters. */
  contentType?: string;
  /** Travel to the consumer. At most 64, together at most 16 KiB; names that begin with "tpc" or "__" are reserved. */
  headers?: Readonly<Record<string, string>>;
  /** Default WAIT_CONFIRM. */
  sendType?: SendType;
};

/** A message whose every field was checked. */
export type CheckedMessage = {
  key: string | undefined;
  topic: string;
  tag: string;
  body: Buffer;
  contentType: string;
  headers: Readonly<Record<string, string>>;
  sendType: SendType;
};

export const MAX_BODY_BYTES = 1024 * 1024;
export const MAX_HEADERS = 64;
export const MAX_HEADERS_BYTES = 16 * 1024;

const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const HEADER_NAME = /^[A-Za-z0-9_.-]{1,64}$/;
const CONTENT_TYPE = /^[\x20-\x7e]{0,128}$/;

/** A message that TPC would refuse, found before anything was stored. */
export class InvalidMessage extends Error {
  /** Field of OutboxMessage. */
  readonly field: string;

  constructor(field: string, problem: string) {
    super(`${field} ${problem}`);
    this.name = 'InvalidMessage';
    this.field = field;
  }
}

/**
 * Checks a message as TPC will.
 * @param group the producer's group, which owns keys that are not UUIDs
 * @throws InvalidMessage naming the first bad field
 */
export function checkMessage(message: OutboxMessage, group: string): CheckedMessage {
  const { key, topic, tag = '', contentType = '', headers = {}, sendType = 'WAIT_CONFIRM' } = message;
  if (typeof topic !== 'string' || !NAME.test(topic)) throw new InvalidMessage('topic', 'must be 1 to 64 characters of [A-Za-z0-9_-]');
  if (tag !== '' && (typeof tag !== 'string' || !NAME.test(tag))) throw new InvalidMessage('tag', 'must be at most 64 characters of [A-Za-z0-9_-]');
  if (typeof contentType !== 'string' || !CONTENT_TYPE.test(contentType))
    throw new InvalidMessage('contentType', 'must be at most 128 characters of printable ASCII');
  if (sendType !== 'WAIT_CONFIRM' && sendType !== 'SAVE_AND_SEND') throw new InvalidMessage('sendType', 'must be WAIT_CONFIRM or SAVE_AND_SEND');
  if (key !== undefined) {
    const problem = typeof key === 'string' ? keyProblem(key, group) : 'is not a string';
    if (problem !== undefined) throw new InvalidMessage('key', problem);
  }
  checkHeaders(headers);
  return { key, topic, tag, body: checkBody(message.body), contentType, headers, sendType };
}

/** @throws InvalidMessage when the name cannot be a producer group */
export function checkGroup(group: string): void {
  if (!isGroupName(group)) throw new InvalidMessage('group', 'must be 1 to 64 characters of [A-Za-z0-9_-]');
}

function checkBody(body: string | Uint8Array): Buffer {
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) throw new InvalidMessage('body', 'must be a string or bytes');
  const bytes = typeof body === 'string' ? Buffer.from(body, 'utf8') : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (bytes.length === 0) throw new InvalidMessage('body', 'is empty');
  if (bytes.length > MAX_BODY_BYTES) throw new InvalidMessage('body', `has ${bytes.length} bytes; at most ${MAX_BODY_BYTES} are allowed`);
  return bytes;
}

function checkHeaders(headers: Readonly<Record<string, string>>): void {
  const entries = Object.entries(headers);
  if (entries.length > MAX_HEADERS) throw new InvalidMessage('headers', `are ${entries.length}; at most ${MAX_HEADERS} are allowed`);
  let bytes = 0;
  for (const [name, value] of entries) {
    if (!HEADER_NAME.test(name)) throw new InvalidMessage(`headers["${name}"]`, 'must have a name of 1 to 64 characters of [A-Za-z0-9_.-]');
    if (/^(tpc|__)/i.test(name)) throw new InvalidMessage(`headers["${name}"]`, 'has a reserved name');
    if (typeof value !== 'string') throw new InvalidMessage(`headers["${name}"]`, 'must be a string');
    bytes += name.length + Buffer.byteLength(value);
  }
  if (bytes > MAX_HEADERS_BYTES) throw new InvalidMessage('headers', `have ${bytes} bytes; at most ${MAX_HEADERS_BYTES} are allowed`);
}
