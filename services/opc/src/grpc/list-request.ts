import { NotificationState } from '@tpc/gen/opc/v1/notification_service';
import { badField } from './errors.ts';

export const DEFAULT_PAGE_SIZE = 50;
export const MAX_PAGE_SIZE = 500;
/** Longest topic and tag of the contracts, characters. */
const MAX_NAME = 64;
/** Longest message key in an inbox, characters. */
const MAX_MESSAGE_KEY = 160;

const NAME = /^[\x21-\x7e]*$/;

/**
 * How many rows a page has (AIP-158).
 * @throws AppError FIELD_INVALID when negative
 */
export function pageSizeOf(pageSize: number): number {
  if (pageSize < 0) throw badField('page_size', 'must not be negative; 0 means 50');
  return pageSize === 0 ? DEFAULT_PAGE_SIZE : Math.min(pageSize, MAX_PAGE_SIZE);
}

/** @throws AppError FIELD_INVALID when it cannot be a topic or tag */
export function assertName(field: 'topic' | 'tag', value: string): void {
  if (value.length > MAX_NAME || !NAME.test(value)) throw badField(field, `must be at most ${MAX_NAME} printable ASCII characters without blanks`);
}

/** @throws AppError FIELD_INVALID when it cannot be a message key */
export function assertMessageKey(value: string): void {
  if (value === '') throw badField('message_key', 'is required');
  if (value.length > MAX_MESSAGE_KEY || !NAME.test(value))
    throw badField('message_key', `must be at most ${MAX_MESSAGE_KEY} printable ASCII characters without blanks`);
}

const STATES: ReadonlySet<number> = new Set([
  NotificationState.NOTIFICATION_STATE_RECEIVED,
  NotificationState.NOTIFICATION_STATE_CONSUMED,
  NotificationState.NOTIFICATION_STATE_DEAD,
]);

/**
 * The states to list, each once.
 * @throws AppError FIELD_INVALID when one of them is unspecified or unknown
 */
export function statesOf(states: readonly NotificationState[]): NotificationState[] {
  const unknown = states.findIndex((state) => !STATES.has(state));
  if (unknown !== -1) throw badField(`states[${unknown}]`, 'must be RECEIVED, CONSUMED or DEAD');
  return [...new Set(states)].sort((a, b) => a - b);
}
