import { CancelKind, MessageState } from './states.ts';

/** One entry of a message's story. */
export type TimelineEntry = { at: number; kind: string; consumerGroup: string; actor: string; detail: string };

export type TimelineMessage = {
  state: MessageState;
  cancelKind: CancelKind;
  producerGroup: string;
  publishCount: number;
  reason: string;
  createdAt: number;
  confirmedAt: number | undefined;
  publishedAt: number | undefined;
  finishedAt: number | undefined;
};

export type TimelineCopy = { consumerGroup: string; receivedAt: number | undefined; consumedAt: number | undefined };

const TPC = 'tpc';

const CANCEL_NAMES: Readonly<Record<number, string>> = {
  [CancelKind.ABORTED]: 'ABORTED',
  [CancelKind.ROLLED_BACK]: 'ROLLED_BACK',
  [CancelKind.REVOKED]: 'REVOKED',
};

/**
 * A message's story, oldest first: the normal way from the times in its own columns and its groups' copies, the exceptions and acts from event
 * rows. Entries of the same millisecond stand in the order in which they can only have happened. Pure.
 */
export function timelineOf(message: TimelineMessage, copies: readonly TimelineCopy[], events: readonly TimelineEntry[]): TimelineEntry[] {
  const entries: TimelineEntry[] = [];
  const add = (at: number | undefined, kind: string, actor: string, more: { consumerGroup?: string; detail?: string } = {}) => {
    if (at !== undefined) entries.push({ at, kind, actor, consumerGroup: more.consumerGroup ?? '', detail: more.detail ?? '' });
  };
  add(message.createdAt, 'PREPARED', message.producerGroup);
  add(message.confirmedAt, 'CONFIRMED', message.producerGroup);
  add(message.publishedAt, 'PUBLISHED', TPC, { detail: message.publishCount > 1 ? `${message.publishCount} times` : '' });
  for (const { consumerGroup, receivedAt, consumedAt } of copies) {
    add(receivedAt, 'RECEIVED', consumerGroup, { consumerGroup });
    add(consumedAt, 'CONSUMED', consumerGroup, { consumerGroup });
  }
  entries.push(...events);
  const end = endOf(message);
  if (end !== undefined) add(message.finishedAt, end.kind, end.actor, { detail: end.detail });
  return entries.sort((a, b) => a.at - b.at);
}

function endOf(message: TimelineMessage): { kind: string; actor: string; detail: string } | undefined {
  switch (message.state) {
    case MessageState.FINISHED:
      return { kind: 'FINISHED', actor: TPC, detail: '' };
    case MessageState.CANCELLED:
      return { kind: 'CANCELLED', actor: message.producerGroup, detail: CANCEL_NAMES[message.cancelKind] ?? '' };
    case MessageState.DEAD:
      return { kind: 'DEAD', actor: TPC, detail: message.reason };
  }
}
