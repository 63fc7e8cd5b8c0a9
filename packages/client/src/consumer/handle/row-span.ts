import { SpanKind } from '@opentelemetry/api';
import { MessageSpan, type MessageTracer } from '@tpc/core';
import type { InboxRow } from '../domain/inbox-row.ts';

/** The span of an arrival, below the publish that brought it. */
export function receiveSpan(tracing: MessageTracer, group: string, row: InboxRow): MessageSpan {
  return new MessageSpan(tracing, 'receive', tracedRow(group, row), { kind: SpanKind.CLIENT, parent: row, type: 'receive' });
}

/** The span of one try to handle a message, below the publish that brought it. A further try is kept in every case. */
export function processSpan(tracing: MessageTracer, group: string, row: InboxRow): MessageSpan {
  const { attempts, generation } = row;
  const attributes = { 'tpc.attempt': attempts + 1, 'tpc.generation': generation };
  const options = { kind: SpanKind.CONSUMER, parent: row, type: 'process', keep: attempts > 0, attributes } as const;
  return new MessageSpan(tracing, 'process', tracedRow(group, row), options);
}

function tracedRow(consumerGroup: string, { messageKey, topic, tag, brokerMessageId: messageId }: InboxRow) {
  return { messageKey, topic, tag, consumerGroup, messageId };
}
