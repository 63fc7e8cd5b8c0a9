import type { ReasonName } from './reasons.ts';
import { CancelKind, DeadReason, MessageState } from './states.ts';

/**
 * The states of a message and every move between them, as one table. The store asks it before each write; `docs/state-machine.md` shows the same
 * table, and a test keeps the two alike. CANCELLED appears as its three kinds, since they move differently.
 */

/** Where a message stands. UNKNOWN: TPC has no row of that key. */
export const PLACES = ['UNKNOWN', 'WAITING_CONFIRM', 'SENDING', 'FINISHED', 'ABORTED', 'ROLLED_BACK', 'REVOKED', 'DEAD'] as const;
export type Place = (typeof PLACES)[number];
/** Where a stored row can stand. */
export type StoredPlace = Exclude<Place, 'UNKNOWN'>;

/** What can happen to a message. */
export const EVENTS = {
  save: 'the producer prepares it (SaveMessageWaitingConfirm)',
  confirm: 'the producer says that its transaction committed (ConfirmAndSendMessage, verdict COMMITTED)',
  commit: 'the producer hands over a committed message with its content (SaveAndSendMessage, committed = true)',
  delete: 'the producer takes it back (DeleteMessageByMessageKey)',
  rolledBack: 'the producer’s verdict is ROLLED_BACK: the barrier stands',
  lastConsumed: 'the last open group has consumed it, and none is dead',
  lastSettled: 'the last open group has settled, and one of them is dead',
  brokerRefused: 'the broker refuses it for good',
  subscribed: 'a group now subscribes what was dead for want of a subscriber',
  resend: 'an operator publishes it again',
} as const;
export type MessageEvent = keyof typeof EVENTS;

/** `to`: the place after. `refuse`: the caller gets this error. Neither: nothing changes, and the answer is the present state. */
export type Move = {
  to?: StoredPlace;
  /** Instead of `to`, when nobody subscribes the topic and tag: DEAD, NO_SUBSCRIBER. */
  orDead?: true;
  refuse?: ReasonName;
  /** The message then needs an operator's attention, for this reason. */
  attention?: DeadReason;
};

const SAME: Move = {};
const SEND: Move = { to: 'SENDING', orDead: true };
const NOT_RESENDABLE: Move = { refuse: 'NOT_RESENDABLE' };
const LATE_ROLLBACK: Move = { attention: DeadReason.ROLLBACK_AFTER_COMMIT };
const ALREADY_SENDING: Move = { refuse: 'ALREADY_SENDING' };

/** An event that is not listed for a place changes nothing there. */
export const TRANSITIONS: Readonly<Record<Place, Readonly<Partial<Record<MessageEvent, Move>>>>> = {
  UNKNOWN: {
    save: { to: 'WAITING_CONFIRM' },
    confirm: { refuse: 'MESSAGE_NOT_FOUND' },
    commit: SEND,
    delete: { refuse: 'DELETE_FAILED' },
    rolledBack: { refuse: 'MESSAGE_NOT_FOUND' },
    resend: { refuse: 'RESEND_NOT_FOUND' },
  },
  WAITING_CONFIRM: {
    confirm: SEND,
    commit: SEND,
    delete: { to: 'ABORTED' },
    rolledBack: { to: 'ROLLED_BACK' },
    resend: NOT_RESENDABLE,
  },
  SENDING: {
    delete: ALREADY_SENDING,
    rolledBack: LATE_ROLLBACK,
    lastConsumed: { to: 'FINISHED' },
    lastSettled: { to: 'DEAD', attention: DeadReason.GROUP_FAILED },
    brokerRefused: { to: 'DEAD', attention: DeadReason.BROKER_REFUSED },
    resend: { to: 'SENDING' },
  },
  FINISHED: {
    delete: ALREADY_SENDING,
    rolledBack: LATE_ROLLBACK,
    resend: { to: 'SENDING' },
  },
  ABORTED: {
    save: { to: 'WAITING_CONFIRM' },
    confirm: SEND,
    commit: SEND,
    rolledBack: { to: 'ROLLED_BACK' },
    resend: NOT_RESENDABLE,
  },
  ROLLED_BACK: {
    save: { refuse: 'KEY_ROLLED_BACK' },
    confirm: { refuse: 'KEY_ROLLED_BACK', attention: DeadReason.COMMIT_AFTER_ROLLBACK },
    commit: { to: 'DEAD', attention: DeadReason.COMMIT_AFTER_ROLLBACK },
    resend: NOT_RESENDABLE,
  },
  REVOKED: {
    resend: NOT_RESENDABLE,
  },
  DEAD: {
    delete: ALREADY_SENDING,
    rolledBack: LATE_ROLLBACK,
    lastConsumed: { to: 'FINISHED' },
    subscribed: { to: 'SENDING' },
    resend: { to: 'SENDING' },
  },
};

/** The move of a message at a place when something happens; pure. */
export function moveOf(place: Place, event: MessageEvent): Move {
  return TRANSITIONS[place][event] ?? SAME;
}

const CANCELLED_PLACES: Readonly<Record<number, StoredPlace>> = {
  [CancelKind.ABORTED]: 'ABORTED',
  [CancelKind.ROLLED_BACK]: 'ROLLED_BACK',
  [CancelKind.REVOKED]: 'REVOKED',
};

const PLACE_BY_STATE: Readonly<Record<number, StoredPlace>> = {
  [MessageState.WAITING_CONFIRM]: 'WAITING_CONFIRM',
  [MessageState.SENDING]: 'SENDING',
  [MessageState.FINISHED]: 'FINISHED',
  [MessageState.DEAD]: 'DEAD',
};

/**
 * The place of a stored row.
 * @throws Error when the row holds numbers that no version of TPC writes
 */
export function placeOf(row: { state: number; cancel_kind: number }): StoredPlace {
  const place = row.state === MessageState.CANCELLED ? CANCELLED_PLACES[row.cancel_kind] : PLACE_BY_STATE[row.state];
  if (place === undefined) throw new Error(`message row with state ${row.state} and cancel kind ${row.cancel_kind} is of no known kind`);
  return place;
}

const STATE_OF_PLACE: Readonly<Record<StoredPlace, MessageState>> = {
  WAITING_CONFIRM: MessageState.WAITING_CONFIRM,
  SENDING: MessageState.SENDING,
  FINISHED: MessageState.FINISHED,
  ABORTED: MessageState.CANCELLED,
  ROLLED_BACK: MessageState.CANCELLED,
  REVOKED: MessageState.CANCELLED,
  DEAD: MessageState.DEAD,
};

/** The state that a place is answered as. */
export function stateOf(place: StoredPlace): MessageState {
  return STATE_OF_PLACE[place];
}
