import { EffectState, type InboxEffect, type InboxEntry, InboxState } from '@tpc/client/consumer';
import { type Notification, type NotificationEffect, NotificationState } from '@tpc/gen/opc/v1/notification_service';

/** The inbox's states and the contract's, both ways. */
const STATE_OF_INBOX: Readonly<Record<number, NotificationState>> = {
  [InboxState.RECEIVED]: NotificationState.NOTIFICATION_STATE_RECEIVED,
  [InboxState.CONSUMED]: NotificationState.NOTIFICATION_STATE_CONSUMED,
  [InboxState.DEAD]: NotificationState.NOTIFICATION_STATE_DEAD,
};

/** An effect that is held is not done and not failed: an operator decides. */
const STATE_OF_EFFECT: Readonly<Record<number, NotificationState>> = {
  [EffectState.OPEN]: NotificationState.NOTIFICATION_STATE_RECEIVED,
  [EffectState.HELD]: NotificationState.NOTIFICATION_STATE_RECEIVED,
  [EffectState.DONE]: NotificationState.NOTIFICATION_STATE_CONSUMED,
  [EffectState.DEAD]: NotificationState.NOTIFICATION_STATE_DEAD,
};

/** The inbox's state of a notification's; for filters. */
export function inboxStateOf(state: NotificationState): InboxState {
  const [found] = Object.values(InboxState).filter((inboxState) => STATE_OF_INBOX[inboxState] === state);
  if (found === undefined) throw new RangeError(`no inbox state for ${state}`);
  return found;
}

export function notificationOf(row: InboxEntry): Notification {
  return {
    messageKey: row.messageKey,
    generation: row.generation,
    state: STATE_OF_INBOX[row.state] ?? NotificationState.NOTIFICATION_STATE_UNSPECIFIED,
    topic: row.topic,
    tag: row.tag,
    attemptCount: row.attempts,
    reason: inWords(row.reason, row.error),
    receiveTime: new Date(row.receivedAt),
    finishTime: dateOf(row.finishedAt),
  };
}

export function notificationEffectOf(effect: InboxEffect): NotificationEffect {
  return {
    effectKey: effect.effectKey,
    state: STATE_OF_EFFECT[effect.state] ?? NotificationState.NOTIFICATION_STATE_UNSPECIFIED,
    attemptCount: effect.attempts,
    result: effect.state === EffectState.DONE ? effect.result : inWords(effect.reason, effect.error),
    finishTime: dateOf(effect.finishedAt),
  };
}

function inWords(reason: string, error: string): string {
  return [reason, error].filter((part) => part !== '').join(': ');
}

function dateOf(at: number | undefined): Date | undefined {
  return at === undefined ? undefined : new Date(at);
}
