import { SpanKind } from '@opentelemetry/api';
import {
  checkInstanceId,
  checkKeySyntax,
  checkProducerGroup,
  checkStoreId,
  durationMs,
  endSpan,
  MAX_BATCH,
  type MessageTracer,
  storedTraceOf,
} from '@tpc/core';
import { MessageState } from '@tpc/gen/tpc/v1/message';
import type { Outcome } from '@tpc/gen/tpc/v1/reliable_message_service';
import type { Log } from '@tpc/platform';
import { Verdict } from '../../domain/states.ts';
import type { Writes } from '../../flows/writes.ts';
import type { Store } from '../../store/store.ts';
import type { UncertainMessage } from '../../store/store-types.ts';
import type { CheckBackWorker } from '../../workers/check-back.ts';
import { answerItems } from '../batch-results.ts';
import { stateOrRefuse } from '../errors.ts';
import type { MessageHandlers } from '../handlers.ts';
import { checkDuration, checkListSize, checkRange, refuseViolations } from '../validate.ts';
import { checkOwner } from './save-message.ts';

const DEFAULT_FETCH_COUNT = 128;
const DEFAULT_FETCH_WAIT_MS = 20_000;
const MAX_FETCH_WAIT_MS = 60_000;
/** The answer of a long poll leaves this much before the caller's deadline, milliseconds. */
const ANSWER_RESERVE_MS = 300;

/** Asks the producers for the outcome of prepared messages, and takes their verdicts (F-37). */
export function checkBackHandlers(options: {
  store: Pick<Store, 'touchProducerInstance'>;
  checkBack: Pick<CheckBackWorker, 'fetch'>;
  writes: Pick<Writes, 'verdict'>;
  tracing: MessageTracer | undefined;
  log: Log;
}): Pick<MessageHandlers, 'fetchUncertainMessages' | 'reportOutcomes'> {
  return {
    async fetchUncertainMessages(request, { signal, deadline }) {
      const { producerGroup, storeId, instanceId, maxCount, wait } = request;
      refuseViolations([
        ...checkProducerGroup('producer_group', producerGroup),
        ...checkStoreId('store_id', storeId),
        ...checkInstanceId('instance_id', instanceId),
        ...checkRange('max_count', maxCount, 0, MAX_BATCH),
        ...checkDuration('wait', wait, MAX_FETCH_WAIT_MS),
      ]);
      await options.store.touchProducerInstance({ producerGroup, storeId, instanceId });
      const waitMs = Math.min(durationMs(wait) ?? DEFAULT_FETCH_WAIT_MS, deadline - performance.now() - ANSWER_RESERVE_MS);
      const messages = await options.checkBack.fetch({ producerGroup, storeId }, maxCount || DEFAULT_FETCH_COUNT, waitMs, signal);
      return { messages: messages.map((message) => toUncertain(message, options.tracing)) };
    },
    async reportOutcomes(request, context) {
      refuseViolations([...checkOwner(request), ...checkListSize('outcomes', request.outcomes.length, MAX_BATCH)]);
      const { producerGroup, storeId } = request;
      const one = async ({ messageKey, verdict, traceparent = '' }: Outcome, index: number) => {
        const call = { traceparent, tracestate: '' };
        refuseViolations(checkKeySyntax(`outcomes[${index}].message_key`, messageKey));
        const item = { producerGroup, storeId, messageKey, verdict: toVerdict(verdict), call };
        return stateOrRefuse(await options.writes.verdict(item, context.deadline));
      };
      return { results: await answerItems(request.outcomes, options.log, one, { state: MessageState.MESSAGE_STATE_UNSPECIFIED }) };
    },
  };
}

/** A number that this build does not know is no verdict: never a yes, never a no. */
function toVerdict(verdict: number): Verdict {
  return Object.values(Verdict).find((known) => known === verdict) ?? Verdict.NONE;
}

function toUncertain({ messageKey, topic, checkCount, createdAt, ...stored }: UncertainMessage, tracing: MessageTracer | undefined) {
  const uncertain = { messageKey, topic, checkCount, createTime: new Date(createdAt) };
  // That a message has to be asked for is of interest, whatever was decided where its trace began.
  const options = { kind: SpanKind.INTERNAL, parent: stored, keep: true, attributes: { 'tpc.attempt': checkCount + 1 } };
  const span = tracing?.startMessage('check_back', { messageKey, topic }, options);
  endSpan(span);
  return span === undefined ? uncertain : { ...uncertain, traceparent: storedTraceOf(span.spanContext()).traceparent };
}
