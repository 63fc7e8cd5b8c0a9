import { placeholders, runOnPrimary } from '@tpc/core';
import type { Db } from '../base/context.ts';
import type { NewMessage } from './insert-messages.ts';

/** What is stored under a key, as far as a save must know. */
export type KnownMessage = {
  id: number;
  message_key: string;
  producer_group_id: number;
  content_hash: Buffer;
  state: number;
  cancel_kind: number;
  reason: string | null;
};

/** Rows by key as last committed, without a lock. Index: UNIQUE (message_key). */
export async function readKnownMessages(db: Db, keys: readonly string[]): Promise<Map<string, KnownMessage>> {
  if (keys.length === 0) return new Map();
  const { rows } = await runOnPrimary<KnownMessage>(
    db,
    `SELECT id, message_key, producer_group_id, content_hash, state, cancel_kind, reason FROM message
     WHERE message_key IN (${placeholders(keys.length)})`,
    keys,
  );
  return new Map(rows.map((row) => [row.message_key, row]));
}

/** Whether the known row is the same event: same producer group and same original content. */
export function isSameEvent(known: KnownMessage, message: NewMessage): boolean {
  return known.producer_group_id === message.owner.producerGroupId && known.content_hash.equals(message.hash);
}
