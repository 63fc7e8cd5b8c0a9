import { checkProducerGroup, checkStoredKey, checkTag, checkTopic, type Violation } from '@tpc/core';
import type { ListMessagesRequest } from '@tpc/gen/tpc/v1/message_admin_service';
import type { PageTokens } from '@tpc/platform';
import { MessageState } from '../../domain/states.ts';
import type { Store } from '../../store/store.ts';
import type { MessageFilter } from '../../store/store-types.ts';
import type { AdminHandlers } from '../handlers.ts';
import { checkCount, refuseViolations } from '../validate.ts';
import { toMessage } from './message-view.ts';

const DEFAULT_PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 500;
const STATES: readonly number[] = Object.values(MessageState);

/** Lists messages by filter and page (F-42). */
export function listMessagesHandlers(options: { store: Pick<Store, 'listMessages'>; pageTokens: PageTokens }): Pick<AdminHandlers, 'listMessages'> {
  return {
    async listMessages(request) {
      refuseViolations(check(request));
      const filter = filterOf(request);
      const after = options.pageTokens.decode(request.pageToken, filter) as number | undefined;
      const pageSize = request.pageSize === 0 ? DEFAULT_PAGE_SIZE : Math.min(request.pageSize, MAX_PAGE_SIZE);
      const page = await options.store.listMessages({ filter, pageSize, after });
      const nextPageToken = page.next === undefined ? '' : options.pageTokens.encode(page.next, filter);
      const searchedBackToTime = page.searchedBackTo === undefined ? undefined : new Date(page.searchedBackTo);
      return { messages: page.messages.map(toMessage), nextPageToken, searchedBackToTime };
    },
  };
}

function filterOf(request: ListMessagesRequest): MessageFilter {
  return {
    messageKey: request.messageKey || undefined,
    producerGroup: request.producerGroup || undefined,
    topic: request.topic || undefined,
    tag: request.tag || undefined,
    states: request.states as MessageState[],
    attentionOnly: request.attentionOnly,
    // Left out where it is not asked for, so that page tokens of before stay good.
    ...(request.deadCopiesOnly ? { deadCopiesOnly: true } : {}),
    createdFrom: request.createTimeFrom?.getTime(),
    createdTo: request.createTimeTo?.getTime(),
  };
}

function check(request: ListMessagesRequest): Violation[] {
  const given = (value: string, rule: (field: string, value: string) => Violation[], field: string) => (value === '' ? [] : rule(field, value));
  return [
    ...checkPageSize(request.pageSize),
    ...given(request.producerGroup, checkProducerGroup, 'producer_group'),
    ...given(request.topic, checkTopic, 'topic'),
    ...given(request.tag, checkTag, 'tag'),
    ...given(request.messageKey, checkStoredKey, 'message_key'),
    ...checkTime('create_time_from', request.createTimeFrom),
    ...checkTime('create_time_to', request.createTimeTo),
    ...checkCount('states', request.states.length, STATES.length),
    ...request.states.flatMap((state, index) => checkState(`states[${index}]`, state)),
  ];
}

function checkPageSize(pageSize: number): Violation[] {
  return pageSize >= 0 ? [] : [{ field: 'page_size', reason: 'OUT_OF_RANGE', description: 'The page size must not be negative.' }];
}

/** Seconds beyond every calendar become a time that is none. */
function checkTime(field: string, time: Date | undefined): Violation[] {
  if (time === undefined || !Number.isNaN(time.getTime())) return [];
  return [{ field, reason: 'OUT_OF_RANGE', description: 'The time is beyond every calendar.' }];
}

function checkState(field: string, state: number): Violation[] {
  return STATES.includes(state) ? [] : [{ field, reason: 'STATE_UNKNOWN', description: `${state} is no state of a message.` }];
}
