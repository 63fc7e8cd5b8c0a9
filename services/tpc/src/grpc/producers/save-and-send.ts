import { MAX_BATCH, type Violation } from '@tpc/core';
import { MessageState, type OutgoingMessage } from '@tpc/gen/tpc/v1/message';
import type { SaveAndSendMessageResponse } from '@tpc/gen/tpc/v1/reliable_message_service';
import type { CallContext, Log } from '@tpc/platform';
import type { Writes } from '../../flows/writes.ts';
import { answerItems } from '../batch-results.ts';
import { appErrorOfRefusal, isRefusal } from '../errors.ts';
import type { MessageHandlers } from '../handlers.ts';
import { checkListSize, refuseViolations } from '../validate.ts';
import { type CallTrace, checkBatchBytes, readCommittedMessage, readOutgoingMessage } from './outgoing-message.ts';
import { checkOwner, NO_TRACE } from './save-message.ts';

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
    { trace, context, beside = [] }: { trace: CallTrace; context: CallContext; beside?: readonly Violation[] },
  ): Promise<SaveAndSendMessageResponse> => {
    const { producerGroup, storeId, committed } = envelope;
    const rules = { producerGroup, maxBodyBytes: options.maxBodyBytes() };
    if (committed) refuseViolations(beside);
    const item = committed ? readCommittedMessage(path, message, rules, trace) : readOutgoingMessage(path, message, rules, trace, beside);
    const result = await options.writes.saveAndSend({ producerGroup, storeId, committed, ...item }, context.deadline);
    if (isRefusal(result)) throw appErrorOfRefusal(result);
    return result;
  };
  return {
    async saveAndSendMessage(request, context) {
      return send('message', request, request.message, { trace: context, context, beside: checkOwner(request) });
    },
    async batchSaveAndSendMessage(request, context) {
      const { messages, committed } = request;
      // What has committed is not refused; the request is no larger than any other.
      const tooLarge = committed ? [] : checkBatchBytes(messages);
      refuseViolations([...checkOwner(request), ...checkListSize('messages', messages.length, MAX_BATCH), ...tooLarge]);
      const one = (message: OutgoingMessage, index: number) => send(`messages[${index}]`, request, message, { trace: NO_TRACE, context });
      const refused = { state: MessageState.MESSAGE_STATE_UNSPECIFIED, storedKey: '', reason: '' };
      return { results: await answerItems(request.messages, options.log, one, refused) };
    },
  };
}
