/** NotificationService: what became of the messages that OPC received (F-56). Reads the inbox only. */
import { getInbox, type InboxPosition, listInbox } from '@tpc/client/consumer';
import type {
  GetNotificationRequest,
  GetNotificationResponse,
  ListNotificationsRequest,
  ListNotificationsResponse,
  NotificationServiceService,
} from '@tpc/gen/opc/v1/notification_service';
import type { PageTokens, UnaryHandlers } from '@tpc/platform';
import type { Knex } from 'knex';
import { reading, refusal, refuseBadFields } from './errors.ts';
import { checkListRequest, checkMessageKey, pageSizeOf, statesOf } from './list-request.ts';
import { inboxStateOf, notificationEffectOf, notificationOf } from './notification.ts';

export type NotificationServiceOptions = { knex: Knex; group: string; tokens: PageTokens };

export function createNotificationService(options: NotificationServiceOptions): UnaryHandlers<NotificationServiceService> {
  return {
    getNotification: (request) => getNotification(options, request),
    listNotifications: (request) => listNotifications(options, request),
  };
}

async function getNotification(
  { knex, group }: NotificationServiceOptions,
  { messageKey }: GetNotificationRequest,
): Promise<GetNotificationResponse> {
  refuseBadFields(checkMessageKey(messageKey));
  const found = await reading(getInbox(knex, { group, messageKey }));
  if (!found) throw refusal('NOTIFICATION_NOT_FOUND', { metadata: { message_key: messageKey } });
  return { notification: notificationOf(found), effects: found.effects.map(notificationEffectOf) };
}

async function listNotifications(options: NotificationServiceOptions, request: ListNotificationsRequest): Promise<ListNotificationsResponse> {
  const { knex, group, tokens } = options;
  refuseBadFields(checkListRequest(request));
  const filters = { topic: request.topic, tag: request.tag, states: statesOf(request.states).map(inboxStateOf) };
  const after = tokens.decode(request.pageToken, filters) as InboxPosition | undefined;
  const { entries, next } = await reading(listInbox(knex, { ...filters, group, after, limit: pageSizeOf(request.pageSize) }));
  return {
    notifications: entries.map(notificationOf),
    nextPageToken: next === undefined ? '' : tokens.encode(next, filters),
    searchedBackToTime: next && new Date(next.receivedAt),
  };
}
