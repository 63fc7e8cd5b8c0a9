import type { Confirm, Message, TimelineEvent } from '@tpc/gen/tpc/v1/message';
import type { ConfirmRow, MessageRow, TimelineEntry } from '../../store/store-types.ts';

/** Stored rows as operators see them. The numbers of states and kinds are the same in SQL and on the wire. */
export function toMessage(row: MessageRow): Message {
  const { createdAt, confirmedAt, publishedAt, finishedAt, dueAt, id: _, ...same } = row;
  return {
    ...same,
    headers: { ...row.headers },
    createTime: toTime(createdAt),
    confirmTime: toTime(confirmedAt),
    publishTime: toTime(publishedAt),
    finishTime: toTime(finishedAt),
    dueTime: toTime(dueAt),
  };
}

export function toConfirm(row: ConfirmRow): Confirm {
  const { receivedAt, consumedAt, dueAt, ...same } = row;
  return { ...same, receiveTime: toTime(receivedAt), consumeTime: toTime(consumedAt), dueTime: toTime(dueAt) };
}

export function toTimelineEvent({ at, ...same }: TimelineEntry): TimelineEvent {
  return { ...same, eventTime: toTime(at) };
}

function toTime(at: number | undefined): Date | undefined {
  return at === undefined ? undefined : new Date(at);
}
