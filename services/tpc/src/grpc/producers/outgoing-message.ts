import { checkContent, checkMessageKey, checkTrace, DEFAULT_MESSAGE_LIMITS, MAX_BATCH_BYTES, type MessageLimits, type Violation } from '@tpc/core';
import type { OutgoingMessage } from '@tpc/gen/tpc/v1/message';
import { type InvalidContent, keepInvalid } from '../../domain/invalid-content.ts';
import type { MessageContent } from '../../store/store-types.ts';
import { appErrorOf } from '../errors.ts';
import { refuseViolations } from '../validate.ts';

/** Trace context of the call, used where the message brings none. */
export type CallTrace = { traceparent: string; tracestate: string };

/** A message as the store takes it. */
export type ReadMessage = { messageKey: string; content: MessageContent; call: CallTrace };

/** What a message is judged by. */
export type ReadRules = { producerGroup: string; maxBodyBytes: number };

type Given = OutgoingMessage & { body: Buffer | undefined };

/** A feature that is in the contract and not served yet. */
type NotServed = { feature: string; field: string };

/**
 * Reads a message as a producer hands it over.
 * @param path of the message in the request: `message`, or `messages[3]`
 * @param beside violations of the request around it, which are told together with the message's own
 * @throws AppError INVALID_ARGUMENT for bad fields, UNIMPLEMENTED for delay and order
 */
export function readOutgoingMessage(
  path: string,
  message: OutgoingMessage | undefined,
  rules: ReadRules,
  trace: CallTrace,
  beside: readonly Violation[] = [],
): ReadMessage {
  const given = required(path, message, beside);
  refuseViolations([...beside, ...violationsOf(path, given, rules)]);
  const [notServed] = notServedIn(path, given);
  if (notServed !== undefined) throw appErrorOf('NOT_SERVED', notServed);
  return readAs(given, given.messageKey, { ...given, body: given.body ?? Buffer.alloc(0) }, trace);
}

/**
 * Reads a message whose business has committed. One that breaks the rules is not refused: it is kept, DEAD, as it came.
 * @throws AppError INVALID_ARGUMENT when there is no message at all
 */
export function readCommittedMessage(
  path: string,
  message: OutgoingMessage | undefined,
  rules: ReadRules,
  trace: CallTrace,
): ReadMessage & { invalid?: InvalidContent } {
  const received = required(path, message);
  // Telemetry must not stop a message.
  const given = checkTrace('', received).length === 0 ? received : { ...received, traceparent: '', tracestate: '' };
  const violations = [...violationsOf(path, given, rules), ...notServedIn(path, given).map(toViolation)];
  const body = given.body ?? Buffer.alloc(0);
  if (violations.length === 0) return readAs(given, given.messageKey, { ...given, body }, trace);
  const { messageKey, topic, tag, contentType, headers, delayLevel, deliverTime, orderKey, orderSeq } = given;
  const whole = { messageKey, topic, tag, body, contentType, headers, delayLevel, deliverTime, orderKey, orderSeq };
  const kept = keepInvalid(whole, rules.producerGroup, violations);
  return { ...readAs(given, kept.messageKey, kept.content, trace), invalid: kept.invalid };
}

/** The bodies of a batch together. */
export function checkBatchBytes(messages: readonly OutgoingMessage[]): Violation[] {
  const bytes = messages.reduce((sum, message) => sum + (bodyOf(message)?.length ?? 0), 0);
  if (bytes <= MAX_BATCH_BYTES) return [];
  const description = `The bodies have ${bytes} bytes together; at most ${MAX_BATCH_BYTES} are allowed in a batch.`;
  return [{ field: 'messages', reason: 'BATCH_TOO_LARGE', description }];
}

function required(path: string, message: OutgoingMessage | undefined, beside: readonly Violation[] = []): Given {
  if (message !== undefined) return { ...message, body: bodyOf(message) };
  refuseViolations([...beside, { field: path, reason: 'DATA_EMPTY', description: 'The message is required.' }]);
  throw new Error('unreachable: an absent message is refused');
}

function bodyOf(message: OutgoingMessage): Buffer | undefined {
  return message.data ?? (message.text === undefined ? undefined : Buffer.from(message.text, 'utf8'));
}

function violationsOf(path: string, given: Given, { producerGroup, maxBodyBytes }: ReadRules): Violation[] {
  const limits: MessageLimits = { ...DEFAULT_MESSAGE_LIMITS, maxBodyBytes };
  const keyViolations = checkMessageKey(`${path}.message_key`, given.messageKey, producerGroup);
  return [...keyViolations, ...checkContent(`${path}.`, given, limits), ...checkOrderSeq(path, given)];
}

function readAs(given: Given, messageKey: string, content: Omit<MessageContent, 'traceparent' | 'tracestate'>, trace: CallTrace): ReadMessage {
  const { topic, tag, body, contentType, headers } = content;
  const own = given.traceparent !== '' ? given : usable(trace);
  const stored = { topic, tag, body, contentType, headers, traceparent: own.traceparent, tracestate: own.tracestate };
  return { messageKey, content: stored, call: { traceparent: given.callTraceparent ?? trace.traceparent, tracestate: '' } };
}

/** The metadata of a call holds whatever its caller wrote. */
function usable(trace: CallTrace): CallTrace {
  return checkTrace('', trace).length === 0 ? trace : { traceparent: '', tracestate: '' };
}

function checkOrderSeq(path: string, message: OutgoingMessage): Violation[] {
  if (message.orderSeq >= 0n) return [];
  return [{ field: `${path}.order_seq`, reason: 'OUT_OF_RANGE', description: 'The place within an order key must not be negative.' }];
}

function notServedIn(path: string, message: OutgoingMessage): NotServed[] {
  const found: NotServed[] = [];
  if (message.delayLevel !== 0) found.push({ feature: 'A delay level', field: `${path}.delay_level` });
  if (message.deliverTime) found.push({ feature: 'A time of delivery', field: `${path}.deliver_time` });
  if (message.orderKey !== '' || message.orderSeq !== 0n) found.push({ feature: 'Order by key', field: `${path}.order_key` });
  return found;
}

function toViolation({ feature, field }: NotServed): Violation {
  return { field, reason: 'NOT_SERVED', description: `${feature} is not served yet.` };
}
