import { isUtf8 } from 'node:buffer';
import { checkStoredKey } from '@tpc/core';
import type { Store } from '../../store/store.ts';
import { appErrorOf } from '../errors.ts';
import type { AdminHandlers } from '../handlers.ts';
import { refuseViolations } from '../validate.ts';
import { toConfirm, toMessage, toTimelineEvent } from './message-view.ts';

/** One message with each group's copy and its timeline (F-42). */
export function getMessageHandlers({ store }: { store: Pick<Store, 'getMessage'> }): Pick<AdminHandlers, 'getMessage'> {
  return {
    async getMessage({ messageKey, includeBody }) {
      refuseViolations(checkStoredKey('message_key', messageKey));
      const detail = await store.getMessage(messageKey, { includeBody });
      if (!detail) throw appErrorOf('MESSAGE_NOT_FOUND', { message_key: messageKey }, { message: `There is no message ${messageKey}.` });
      return {
        message: toMessage(detail.message),
        confirms: detail.confirms.map(toConfirm),
        timeline: detail.timeline.map(toTimelineEvent),
        ...toBody(detail.body),
      };
    },
  };
}

/** The body as text where it is text, for people; any other, as bytes. */
function toBody(body: Buffer | undefined): { data: Buffer | undefined; text: string | undefined } {
  if (body !== undefined && isUtf8(body)) return { data: undefined, text: body.toString('utf8') };
  return { data: body, text: undefined };
}
