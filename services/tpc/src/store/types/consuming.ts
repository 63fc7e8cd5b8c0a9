/** What consumers report. */

export type Mark = {
  consumerGroup: string;
  messageKey: string;
  /** From 1. */
  generation: number;
  /** Inbox database in which it was handled; undefined: a client that does not tell, which is believed. */
  storeId?: string | undefined;
  /** Who reports, for people. */
  instanceId?: string | undefined;
} & ({ kind: 'received' } | { kind: 'consumed' } | { kind: 'failed'; reason: string; detail: string });

export type MarkResult = {
  /** False: TPC follows no copy of this message for this group; nothing was recorded. */
  tracked: boolean;
};
