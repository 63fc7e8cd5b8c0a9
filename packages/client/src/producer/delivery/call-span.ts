import { SpanKind } from '@opentelemetry/api';
import { MessageSpan, type MessageSpanOptions, type MessageTracer } from '@tpc/core';
import type { OutboxContent } from '../outbox/content-codec.ts';

/** The span of one message's call to TPC, below the span that made the message. */
export function callSpan(
  tracing: MessageTracer,
  operation: string,
  content: OutboxContent,
  options: Pick<MessageSpanOptions, 'keep' | 'attributes'> = {},
): MessageSpan {
  const { key: messageKey, topic, tag } = content;
  return new MessageSpan(tracing, operation, { messageKey, topic, tag }, { kind: SpanKind.CLIENT, parent: content, ...options });
}
