/**
 * Every limit of the contract between producers, TPC and consumers, in one place. The client library, TPC, the embedded broker and the table in
 * `docs/protocol.md` take their numbers from here. Lengths are in characters, unless the name says bytes.
 */

/** Topics, tags, producer groups, consumer groups, store ids, instance ids, header names and reason codes. */
export const MAX_NAME_LENGTH = 64;
/** A message key as a producer may choose it. */
export const MAX_KEY_LENGTH = 128;
/** A message key as TPC stores it: the producer's, `#`, and 16 hexadecimal digits. */
export const MAX_STORED_KEY_LENGTH = MAX_KEY_LENGTH + 17;
export const MAX_HOST_LENGTH = 128;
export const MAX_CONTENT_TYPE_LENGTH = 128;
export const MAX_TRACEPARENT_LENGTH = 64;
export const MAX_TRACESTATE_LENGTH = 512;
export const MAX_HEADERS = 64;
/**
 * Names and values of all headers together, in UTF-8. The broker counts TPC's own properties too, so that this leaves room for the most that TPC ever
 * adds: contract.test.ts adds it up.
 */
export const MAX_HEADERS_BYTES = 14 * 1024;
/** Default of the largest body; an operator may set a smaller or larger one (TPC_MAX_BODY_BYTES). */
export const DEFAULT_MAX_BODY_BYTES = 1024 * 1024;
/** Generations go from 1 to this: TPC raises none above it, takes no report above it, and consumers take no message above it. */
export const MAX_GENERATION = 1_000_000;
export const MAX_DELAY_LEVEL = 18;
/** Messages, keys or verdicts in one request, and rows in one transaction: MariaDB turns an IN list of 1,000 values into a subquery, which no longer locks in the order of the ids. */
export const MAX_BATCH = 512;
/** A consumer's reports in one request. */
export const MAX_REPORTS = 1_024;
/** Bodies of one batch of messages together. */
export const MAX_BATCH_BYTES = 2 * 1024 * 1024;
/** One request of any kind. */
export const MAX_REQUEST_BYTES = 4 * 1024 * 1024;

/** RocketMQ's own limits on one message, with its default settings: user properties, and bytes of their names and values, the tag and the keys. */
export const BROKER_MAX_PROPERTIES = 128;
export const BROKER_MAX_PROPERTIES_BYTES = 16 * 1024;

/** The limits on a message that differ from one TPC to another. TPC tells its own when a producer registers. */
export type MessageLimits = {
  /** Largest body, bytes. */
  maxBodyBytes: number;
  /** Most headers of a message. */
  maxHeaders: number;
  /** Names and values of all headers together, bytes of UTF-8. */
  maxHeadersBytes: number;
};

/** What holds until TPC has told its own limits. */
export const DEFAULT_MESSAGE_LIMITS: Readonly<MessageLimits> = {
  maxBodyBytes: DEFAULT_MAX_BODY_BYTES,
  maxHeaders: MAX_HEADERS,
  maxHeadersBytes: MAX_HEADERS_BYTES,
};
