import { checkProducerGroup, checkStoreId, MAX_BATCH, type Violation } from '@tpc/core';
import { MessageState, type OutgoingMessage } from '@tpc/gen/tpc/v1/message';
import type { CallContext, Log } from '@tpc/platform';
import type { Writes } from '../../flows/writes.ts';
import { answerItems } from '../batch-results.ts';
import { stateOrRefuse } from '../errors.ts';
import type { MessageHandlers } from '../handlers.ts';
import { checkListSize, refuseViolations } from '../validate.ts';
import { type CallTrace, checkBatchBytes, readOutgoingMessage } from './outgoing-message.ts';

type Owner = { producerGroup: string; storeId: string };

/** Prepares messages: single and batch (F-30). */
export function saveMessageHandlers(options: {
  writes: Pick<Writes, 'save'>;
  maxBodyBytes: () => number;
  log: Log;
}): Pick<MessageHandlers, 'saveMessageWaitingConfirm' | 'batchSaveMessageWaitingConfirm'> {
  const save = async (
    path: string,
    owner: Owner,
    message: OutgoingMessage | undefined,
    { trace, context, beside = [] }: { trace: CallTrace; context: CallContext; beside?: readonly Violation[] },
  ) => {
    const { messageKey, content, call } = readOutgoingMessage(
      path,
      message,
      { producerGroup: owner.producerGroup, maxBodyBytes: options.maxBodyBytes() },
      trace,
      beside,
    );
    const { producerGroup, storeId } = owner;
    return stateOrRefuse(await options.writes.save({ producerGroup, storeId, messageKey, content, call }, context.deadline));
  };
  return {
    async saveMessageWaitingConfirm(request, context) {
      return save('message', request, request.message, { trace: context, context, beside: checkOwner(request) });
    },
    async batchSaveMessageWaitingConfirm(request, context) {
      const { messages } = request;
      refuseViolations([...checkOwner(request), ...checkListSize('messages', messages.length, MAX_BATCH), ...checkBatchBytes(messages)]);
      const one = (message: OutgoingMessage, index: number) => save(`messages[${index}]`, request, message, { trace: NO_TRACE, context });
      return { results: await answerItems(request.messages, options.log, one, { state: MessageState.MESSAGE_STATE_UNSPECIFIED }) };
    },
  };
}

/** The context of a batch call belongs to whoever gathered it, not to its messages. */
export const NO_TRACE: CallTrace = { traceparent: '', tracestate: '' };

/** Group and store id of a producer's call. */
export function checkOwner({ producerGroup, storeId }: Owner): Violation[] {
  return [...checkProducerGroup('producer_group', producerGroup), ...checkStoreId('store_id', storeId)];
}
