import { SpanKind } from '@opentelemetry/api';
import type { PublishOutcome } from '@tpc/broker';
import { linkTo, MessageSpan, type MessageTracer, spanContextOf } from '@tpc/core';
import type { PublishOrder } from './publish-order.ts';

/** Mixed into the id of the span that made a message, it gives the id of the span of its first publish. Any number but zero serves. */
const FIRST_PUBLISH = 0x7470_632d_7075_626cn;

/**
 * The span of one publish of one message, below the span that made it.
 *
 * The first publish has an id that follows from the message's own context, so that whoever publishes again, another replica or a restarted one, links to
 * it without anything having been stored. Where a process died between confirm and publish, the link names a span that was never made.
 */
export function publishSpan(tracing: MessageTracer, order: PublishOrder): MessageSpan {
  const { messageKey, content, consumerGroup, generation, attempts, repeats = false } = order;
  const origin = spanContextOf(content);
  const first = origin && { ...origin, spanId: firstPublishId(origin.spanId) };
  const attributes = { 'tpc.generation': generation, 'tpc.attempt': attempts + 1, ...(repeats ? { 'tpc.repeats': true } : {}) };
  const which = repeats ? { keep: true, links: linkTo(first) } : { spanId: first?.spanId };
  const message = { messageKey, topic: content.topic, tag: content.tag, consumerGroup };
  return new MessageSpan(tracing, 'publish', message, { kind: SpanKind.PRODUCER, parent: content, type: 'send', attributes, ...which });
}

/** @param outcome undefined: it was not sent, since its lease had run out */
export function endPublishSpan(span: MessageSpan, outcome: PublishOutcome | undefined): void {
  if (outcome?.ok) span.set('messaging.message.id', outcome.brokerMessageId);
  span.end(failureOf(outcome));
}

function failureOf(outcome: PublishOutcome | undefined): string | undefined {
  if (outcome === undefined) return 'LEASE_LOST';
  if (outcome.ok) return undefined;
  return outcome.permanent ? 'BROKER_REFUSED' : 'BROKER_UNAVAILABLE';
}

function firstPublishId(spanId: string): string {
  return (BigInt(`0x${spanId}`) ^ FIRST_PUBLISH).toString(16).padStart(16, '0');
}
