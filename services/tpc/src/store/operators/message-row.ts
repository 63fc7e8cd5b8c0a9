import { decodeHeaders } from '@tpc/core';
import { type CancelKind, type ConfirmStatus, DeadReason, type MessageState } from '../../domain/states.ts';
import { LaneKind, laneKindSql } from '../base/lanes.ts';
import { Attention } from '../overdue/attention.ts';
import type { ConfirmRow, MessageRow } from '../store-types.ts';

/** Columns and joins of a message as operators see it, without its body. While it is followed, its own due time says no more than when it becomes overdue. */
export const MESSAGE_COLUMNS = `m.id, m.message_key, m.state, m.cancel_kind, g.name AS producer_group, o.name AS store, t.name AS topic, m.tag,
  m.content_type, m.body_size, m.headers, m.generation, m.open_groups, m.dead_groups, m.publishes, m.checks, m.attention, m.reason,
  m.reason_detail, m.traceparent, m.created_at, m.confirmed_at, m.published_at, m.finished_at, CASE WHEN m.${laneKindSql} = ${LaneKind.FOLLOW} THEN NULL ELSE m.due_at END AS due_at`;

export const MESSAGE_JOINS = `JOIN topic t ON t.id = m.topic_id JOIN producer_group g ON g.id = m.producer_group_id
  JOIN outbox_store o ON o.id = m.store_id`;

export type StoredMessage = {
  id: number;
  message_key: string;
  state: number;
  cancel_kind: number;
  producer_group: string;
  store: string;
  topic: string;
  tag: string;
  content_type: string;
  body_size: number;
  headers: Buffer | null;
  generation: number;
  open_groups: number;
  dead_groups: number;
  publishes: number;
  checks: number;
  attention: number | null;
  reason: string | null;
  reason_detail: string | null;
  traceparent: string;
  created_at: number;
  confirmed_at: number | null;
  published_at: number | null;
  finished_at: number | null;
  due_at: number | null;
};

export function toMessageRow(row: StoredMessage): MessageRow {
  return {
    id: row.id,
    messageKey: row.message_key,
    state: row.state as MessageState,
    cancelKind: row.cancel_kind as CancelKind,
    producerGroup: row.producer_group,
    storeId: row.store,
    topic: row.topic,
    tag: row.tag,
    contentType: row.content_type,
    bodySize: row.body_size,
    headers: decodeHeaders(row.headers),
    generation: row.generation,
    openGroups: row.open_groups,
    deadGroups: row.dead_groups,
    publishCount: row.publishes,
    checkCount: row.checks,
    reason: row.reason === null && row.attention === Attention.OVERDUE ? DeadReason.OVERDUE : reasonInWords(row.reason, row.reason_detail),
    attention: row.attention !== null,
    traceparent: row.traceparent,
    createdAt: row.created_at,
    confirmedAt: row.confirmed_at ?? undefined,
    publishedAt: row.published_at ?? undefined,
    finishedAt: row.finished_at ?? undefined,
    dueAt: row.due_at ?? undefined,
  };
}

export type StoredConfirm = {
  consumer_group: string;
  status: number;
  dead: number;
  generation: number;
  consume_count: number;
  attempts: number;
  reason: string | null;
  reason_detail: string | null;
  received_at: number | null;
  consumed_at: number | null;
  due_at: number | null;
};

export function toConfirmRow(row: StoredConfirm): ConfirmRow {
  return {
    consumerGroup: row.consumer_group,
    status: row.status as ConfirmStatus,
    dead: row.dead === 1,
    generation: row.generation,
    consumeCount: row.consume_count,
    redeliveryCount: row.attempts,
    reason: reasonInWords(row.reason, row.reason_detail),
    receivedAt: row.received_at ?? undefined,
    consumedAt: row.consumed_at ?? undefined,
    dueAt: row.due_at ?? undefined,
  };
}

function reasonInWords(reason: string | null, detail: string | null): string {
  if (reason === null) return '';
  return detail === null || detail === '' ? reason : `${reason}: ${detail}`;
}
