import { checkKeySyntax, checkProducerGroup } from '@tpc/core';
import type { Writes } from '../../flows/writes.ts';
import { stateOrRefuse } from '../errors.ts';
import type { MessageHandlers } from '../handlers.ts';
import { refuseViolations } from '../validate.ts';

/** Takes a prepared message back (F-33). */
export function deleteMessageHandlers(options: { writes: Pick<Writes, 'delete'> }): Pick<MessageHandlers, 'deleteMessageByMessageKey'> {
  return {
    async deleteMessageByMessageKey({ producerGroup, messageKey }, context) {
      refuseViolations([...checkProducerGroup('producer_group', producerGroup), ...checkKeySyntax('message_key', messageKey)]);
      return stateOrRefuse(await options.writes.delete({ producerGroup, messageKey, call: context }, context.deadline));
    },
  };
}
