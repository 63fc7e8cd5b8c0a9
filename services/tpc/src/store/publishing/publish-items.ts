import { decodeHeaders, placeholders, runOnPrimary } from '@tpc/core';
import type { Db } from '../base/context.ts';
import type { PublishItem } from '../store-types.ts';

type ContentRow = {
  id: number;
  message_key: string;
  producer_group: string;
  generation: number;
  attempts: number;
  topic: string;
  tag: string;
  body: Buffer | null;
  content_type: string;
  headers: Buffer | null;
  traceparent: string;
  tracestate: string;
};

/** Everything that is needed to publish these messages, by id; one whose body is cleaned away is missing. Index: PRIMARY. */
export async function readPublishItems(db: Db, ids: readonly number[]): Promise<Map<number, PublishItem>> {
  if (ids.length === 0) return new Map();
  const { rows } = await runOnPrimary<ContentRow>(
    db,
    `SELECT m.id, m.message_key, g.name AS producer_group, m.generation, m.attempts, t.name AS topic, m.tag, m.body, m.content_type, m.headers,
       m.traceparent, m.tracestate
     FROM message m JOIN topic t ON t.id = m.topic_id JOIN producer_group g ON g.id = m.producer_group_id
     WHERE m.id IN (${placeholders(ids.length)})`,
    ids,
  );
  return new Map(rows.flatMap((row) => (row.body === null ? [] : [[row.id, toItem(row, row.body)] as const])));
}

function toItem(row: ContentRow, body: Buffer): PublishItem {
  return {
    messageId: row.id,
    messageKey: row.message_key,
    producerGroup: row.producer_group,
    generation: row.generation,
    attempts: row.attempts,
    content: {
      topic: row.topic,
      tag: row.tag,
      body,
      contentType: row.content_type,
      headers: decodeHeaders(row.headers),
      traceparent: row.traceparent,
      tracestate: row.tracestate,
    },
  };
}

/** Bodies that one call hands out at most, bytes; what is beyond is left to the next claim. */
const MAX_PUBLISH_BYTES = 8 * 1024 * 1024;

/** Ids of the first messages whose bodies together are not too large, at least one. */
export function withinBytes(messages: readonly { id: number; body_size: number }[]): number[] {
  let bytes = 0;
  const end = messages.findIndex((message, place) => {
    bytes += message.body_size;
    return place > 0 && bytes > MAX_PUBLISH_BYTES;
  });
  return messages.slice(0, end < 0 ? messages.length : end).map((message) => message.id);
}
