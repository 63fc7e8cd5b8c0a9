import { MAX_BATCH } from '@tpc/core';
import { MessageState, type OutgoingMessage } from '@tpc/gen/tpc/v1/message';
import type { SaveAndSendMessageResponse } from '@tpc/gen/tpc/v1/reliable_message_service';
import type { CallContext, Log } from '@tpc/platform';
import type { Writes } from '../flows/writes.ts';
import { answerItems } from './batch-results.ts';
import { appErrorOfRefusal, isRefusal } from './errors.ts';
import type { MessageHandlers } from './handlers.ts';
import { type CallTrace, readCommittedMessage, readOutgoingMessage, refuseBatchBytes } from './outgoing-message.ts';
import { NO_TRACE, refuseOwner } from './save-message.ts';
import { refuseBatchSize } from './validate.ts';

type Envelope = { producerGroup: string; storeId: string; committed: boolean };

/** Stores and sends in one step: single and batch (F-32). */
export function saveAndSendHandlers(options: {
  writes: Pick<Writes, 'saveAndSend'>;
  maxBodyBytes: () => number;
  log: Log;
}): Pick<MessageHandlers, 'saveAndSendMessage' | 'batchSaveAndSendMessage'> {
  const send = async (
    path: string,
    envelope: Envelope,
    message: OutgoingMessage | undefined,
    trace: CallTrace,
    context: CallContext,
  ): Promise<SaveAndSendMessageResponse> => {
    const { producerGroup, storeId, committed } = envelope;
    const read = committed ? readCommittedMessage : readOutgoingMessage;
    const item = read(path, message, { producerGroup, maxBodyBytes: options.maxBodyBytes() }, trace);
    const result = await options.writes.saveAndSend({ producerGroup, storeId, committed, ...item }, context.deadline);
    if (isRefusal(result)) throw appErrorOfRefusal(result);
    return result;
  };
  return {
    async saveAndSendMessage(request, context) {
      refuseOwner(request);
      return send('message', request, request.message, context, context);
    },
    async batchSaveAndSendMessage(request, context) {
      refuseOwner(request);
      refuseBatchSize('messages', request.messages.length, MAX_BATCH);
      // What has committed is not refused; the request is no larger than any other.
      if (!request.committed) refuseBatchBytes(request.messages);
      const one = (message: OutgoingMessage, index: number) => send(`messages[${index}]`, request, message, NO_TRACE, context);
      const refused = { state: MessageState.MESSAGE_STATE_UNSPECIFIED, storedKey: '', reason: '' };
      return { results: await answerItems(request.messages, options.log, one, refused) };
    },
  };
}
