import { traceIdOf } from '@tpc/core';
import type { InboxRow } from './inbox-row.ts';

export type MessageFields = { message_key: string; generation: number; topic: string; consumer_group: string; trace_id?: string };

/** What a log line about a message says: enough to find it in every other log, in TPC and in its trace; nothing of its content. */
export function messageFields(
  row: Pick<InboxRow, 'messageKey' | 'generation' | 'topic' | 'traceparent'>,
  { group }: { group: string },
): MessageFields {
  const traceId = traceIdOf(row.traceparent);
  const trace = traceId === undefined ? {} : { trace_id: traceId };
  return { message_key: row.messageKey, generation: row.generation, topic: row.topic, consumer_group: group, ...trace };
}
