import { appErrorOf } from '../errors.ts';
import type { MessageHandlers } from '../handlers.ts';

/** Sending without storing is not served yet; said at once, whatever the request holds. */
export function directSendHandlers(): Pick<MessageHandlers, 'directSendMessage'> {
  return {
    async directSendMessage() {
      throw appErrorOf('NOT_SERVED', { feature: 'DirectSendMessage' });
    },
  };
}
