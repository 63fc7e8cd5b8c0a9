import type { OutgoingMessage } from '@tpc/gen/tpc/v1/message';
import { checkContent, checkMessageKey, type Violation } from '../domain/validation.ts';
import type { MessageContent } from '../store/store-types.ts';
import { appErrorOf } from './errors.ts';
import { refuseViolations } from './validate.ts';

/** Most bytes of the bodies of one batch. */
const MAX_BATCH_BYTES = 2 * 1024 * 1024;

/** Trace context of the call, used where the message brings none. */
export type CallTrace = { traceparent: string; tracestate: string };

/**
 * Reads a message as a producer hands it over.
 * @param path of the message in the request: `message`, or `messages[3]`
 * @throws AppError INVALID_ARGUMENT for bad fields, UNIMPLEMENTED for delay and order
 */
export function readOutgoingMessage(
  path: string,
  message: OutgoingMessage | undefined,
  producerGroup: string,
  maxBodyBytes: number,
  trace: CallTrace,
): { messageKey: string; content: MessageContent; call: CallTrace } {
  if (!message) {
    refuseViolations([{ field: path, reason: 'DATA_EMPTY', description: 'The message is required.' }]);
    throw new Error('unreachable: an absent message is refused');
  }
  const body = bodyOf(message);
  const keyViolations = checkMessageKey(`${path}.message_key`, message.messageKey, producerGroup);
  refuseViolations([...keyViolations, ...checkContent(path, { ...message, body }, maxBodyBytes), ...checkOrderSeq(path, message)]);
  refuseWhatIsNotServed(path, message);
  const call = { traceparent: message.callTraceparent ?? trace.traceparent, tracestate: '' };
  return { messageKey: message.messageKey, content: contentOf(message, body ?? Buffer.alloc(0), trace), call };
}

/** @throws AppError INVALID_ARGUMENT when the bodies together are larger than a batch may be */
export function refuseBatchBytes(messages: readonly OutgoingMessage[]): void {
  const bytes = messages.reduce((sum, message) => sum + (bodyOf(message)?.length ?? 0), 0);
  if (bytes <= MAX_BATCH_BYTES) return;
  const description = `The bodies have ${bytes} bytes together; at most ${MAX_BATCH_BYTES} are allowed in a batch.`;
  refuseViolations([{ field: 'messages', reason: 'BATCH_TOO_LARGE', description }]);
}

function bodyOf(message: OutgoingMessage): Buffer | undefined {
  return message.data ?? (message.text === undefined ? undefined : Buffer.from(message.text, 'utf8'));
}

function contentOf(message: OutgoingMessage, body: Buffer, trace: CallTrace): MessageContent {
  const own = message.traceparent !== '';
  return {
    topic: message.topic,
    tag: message.tag,
    body,
    contentType: message.contentType,
    headers: message.headers,
    traceparent: own ? message.traceparent : trace.traceparent,
    tracestate: own ? message.tracestate : trace.tracestate,
  };
}

function checkOrderSeq(path: string, message: OutgoingMessage): Violation[] {
  if (message.orderSeq >= 0n) return [];
  return [{ field: `${path}.order_seq`, reason: 'OUT_OF_RANGE', description: 'The place within an order key must not be negative.' }];
}

function refuseWhatIsNotServed(path: string, message: OutgoingMessage): void {
  if (message.delayLevel !== 0) throw appErrorOf('NOT_SERVED', { feature: 'A delay level', field: `${path}.delay_level` });
  if (message.deliverTime) throw appErrorOf('NOT_SERVED', { feature: 'A time of delivery', field: `${path}.deliver_time` });
  if (message.orderKey !== '' || message.orderSeq !== 0n) throw appErrorOf('NOT_SERVED', { feature: 'Order by key', field: `${path}.order_key` });
}
