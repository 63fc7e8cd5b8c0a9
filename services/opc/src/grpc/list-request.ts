import { type ListNotificationsRequest, NotificationState } from '@tpc/gen/opc/v1/notification_service';
import type { BadField } from './errors.ts';

export const DEFAULT_PAGE_SIZE = 50;
export const MAX_PAGE_SIZE = 500;
/** Longest topic and tag of the contracts, characters. */
const MAX_NAME = 64;
/** Longest message key in an inbox, characters. */
const MAX_MESSAGE_KEY = 160;

const NAME = /^[\x21-\x7e]*$/;

/** How many rows a page has (AIP-158). */
export function pageSizeOf(pageSize: number): number {
  return pageSize === 0 ? DEFAULT_PAGE_SIZE : Math.min(pageSize, MAX_PAGE_SIZE);
}

/** All that is wrong with a request for a list. */
export function checkListRequest({ pageSize, topic, tag, states }: ListNotificationsRequest): BadField[] {
  const negative = pageSize < 0 ? [{ field: 'page_size', description: 'must not be negative; 0 means 50' }] : [];
  return [...negative, ...checkName('topic', topic), ...checkName('tag', tag), ...checkStates(states)];
}

function checkName(field: 'topic' | 'tag', value: string): BadField[] {
  if (value.length <= MAX_NAME && NAME.test(value)) return [];
  return [{ field, description: `must be at most ${MAX_NAME} printable ASCII characters without blanks` }];
}

export function checkMessageKey(value: string): BadField[] {
  if (value === '') return [{ field: 'message_key', description: 'is required' }];
  if (value.length <= MAX_MESSAGE_KEY && NAME.test(value)) return [];
  return [{ field: 'message_key', description: `must be at most ${MAX_MESSAGE_KEY} printable ASCII characters without blanks` }];
}

const STATES: ReadonlySet<number> = new Set([
  NotificationState.NOTIFICATION_STATE_RECEIVED,
  NotificationState.NOTIFICATION_STATE_CONSUMED,
  NotificationState.NOTIFICATION_STATE_DEAD,
]);

/** Each state that is unspecified or unknown. */
function checkStates(states: readonly NotificationState[]): BadField[] {
  return states.flatMap((state, index) =>
    STATES.has(state) ? [] : [{ field: `states[${index}]`, description: 'must be RECEIVED, CONSUMED or DEAD' }],
  );
}

/** The states to list, each once. */
export function statesOf(states: readonly NotificationState[]): NotificationState[] {
  return [...new Set(states)].sort((a, b) => a - b);
}
