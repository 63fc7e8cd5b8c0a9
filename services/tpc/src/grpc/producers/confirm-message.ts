import { checkKeySyntax, checkProducerGroup, MAX_BATCH } from '@tpc/core';
import { MessageState } from '@tpc/gen/tpc/v1/message';
import type { CallContext, Log } from '@tpc/platform';
import type { Writes } from '../../flows/writes.ts';
import { answerItems } from '../batch-results.ts';
import { stateOrRefuse } from '../errors.ts';
import type { MessageHandlers } from '../handlers.ts';
import { checkListSize, refuseViolations } from '../validate.ts';
import type { CallTrace } from './outgoing-message.ts';

/** Takes the producer's word that its transaction committed: single and batch (F-31). */
export function confirmMessageHandlers(options: {
  writes: Pick<Writes, 'confirm'>;
  log: Log;
}): Pick<MessageHandlers, 'confirmAndSendMessage' | 'batchConfirmAndSendMessage'> {
  const confirm = async (producerGroup: string, messageKey: string, call: CallTrace, context: CallContext) =>
    stateOrRefuse(await options.writes.confirm({ producerGroup, messageKey, call }, context.deadline));
  return {
    async confirmAndSendMessage({ producerGroup, messageKey }, context) {
      refuseViolations([...checkProducerGroup('producer_group', producerGroup), ...checkKeySyntax('message_key', messageKey)]);
      return confirm(producerGroup, messageKey, context, context);
    },
    async batchConfirmAndSendMessage({ producerGroup, messageKeys, traceparents }, context) {
      refuseViolations([...checkProducerGroup('producer_group', producerGroup), ...checkListSize('message_keys', messageKeys.length, MAX_BATCH)]);
      const calls = traceparents?.split(',') ?? [];
      const one = async (messageKey: string, index: number) => {
        refuseViolations(checkKeySyntax(`message_keys[${index}]`, messageKey));
        return confirm(producerGroup, messageKey, { traceparent: calls[index] ?? '', tracestate: '' }, context);
      };
      return { results: await answerItems(messageKeys, options.log, one, { state: MessageState.MESSAGE_STATE_UNSPECIFIED }) };
    },
  };
}
