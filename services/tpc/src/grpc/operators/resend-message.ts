import { SpanKind } from '@opentelemetry/api';
import { checkConsumerGroup, checkStoredKey, endSpan, linkTo, type MessageTracer, spanContextOf, type Violation } from '@tpc/core';
import type { ResendMessageRequest } from '@tpc/gen/tpc/v1/message_admin_service';
import type { Caller } from '@tpc/platform';
import type { Store } from '../../store/store.ts';
import { appErrorOfRefusal, isRefusal } from '../errors.ts';
import type { AdminHandlers } from '../handlers.ts';
import { checkCount, checkText, refuseViolations } from '../validate.ts';
import { toMessage } from './message-view.ts';

const MAX_GROUPS = 64;
export const MAX_COMMENT = 256;
/** Who acts, for the timeline, where no tokens tell it. */
const ANONYMOUS_OPERATOR = 'operator';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Publishes a message again at an operator's wish (F-44). */
export function resendMessageHandlers(options: {
  store: Pick<Store, 'resendMessage'>;
  /** Told when there is something to publish. */
  onResent: () => void;
  tracing: MessageTracer | undefined;
}): Pick<AdminHandlers, 'resendMessage'> {
  return {
    async resendMessage(request, context) {
      refuseViolations(check(request));
      const { messageKey, consumerGroups, requestId, comment } = request;
      const act = {
        messageKey,
        consumerGroups: [...new Set(consumerGroups)],
        requestId: requestId.toLowerCase(),
        actor: actorOf(context.caller),
        comment,
      };
      const startTime = Date.now();
      const result = await options.store.resendMessage(act);
      if (isRefusal(result)) throw appErrorOfRefusal(result);
      const { topic, traceparent } = result.message;
      // In the message's own trace, linked to the operator's call.
      const trace = {
        kind: SpanKind.INTERNAL,
        parent: { traceparent, tracestate: '' },
        keep: true,
        links: linkTo(spanContextOf(context)),
        startTime,
      };
      endSpan(options.tracing?.startMessage('resend', { messageKey, topic }, trace));
      options.onResent();
      return { message: toMessage(result.message), consumerGroups: result.consumerGroups };
    },
  };
}

/** The name in an operator's token. */
export function actorOf(caller: Caller): string {
  return caller.kind === 'operator' ? caller.name : ANONYMOUS_OPERATOR;
}

function check({ messageKey, consumerGroups, requestId, comment }: ResendMessageRequest): Violation[] {
  return [
    ...checkStoredKey('message_key', messageKey),
    ...checkCount('consumer_groups', consumerGroups.length, MAX_GROUPS),
    ...consumerGroups.slice(0, MAX_GROUPS).flatMap((group, index) => checkConsumerGroup(`consumer_groups[${index}]`, group)),
    ...checkRequestId(requestId),
    ...checkText('comment', comment, MAX_COMMENT),
  ];
}

/** A request id is optional, and a UUID. */
export function checkRequestId(requestId: string): Violation[] {
  if (requestId === '' || UUID.test(requestId)) return [];
  return [{ field: 'request_id', reason: 'UUID_SYNTAX', description: 'The request id must be a UUID.' }];
}
