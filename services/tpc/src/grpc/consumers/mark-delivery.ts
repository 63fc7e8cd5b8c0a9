import {
  checkConsumerGroup,
  checkFailureReason,
  checkGeneration,
  checkInstanceId,
  checkStoredKey,
  checkStoreId,
  MAX_REPORTS,
  type Violation,
} from '@tpc/core';
import type { ConsumeFailure, Delivery } from '@tpc/gen/tpc/v1/reliable_message_service';
import type { CallContext, Log } from '@tpc/platform';
import type { Writes } from '../../flows/writes.ts';
import { answerItems } from '../batch-results.ts';
import { appErrorOfRefusal, isRefusal } from '../errors.ts';
import type { MessageHandlers } from '../handlers.ts';
import { checkListSize, refuseViolations } from '../validate.ts';

/** A failure's words are cut to this many characters. */
const MAX_DETAIL = 1_024;

type MarkHandlers = Pick<
  MessageHandlers,
  | 'confirmReceiveMessage'
  | 'batchConfirmReceiveMessage'
  | 'confirmConsumedMessage'
  | 'batchConfirmConsumedMessage'
  | 'reportConsumeFailure'
  | 'batchReportConsumeFailure'
>;

/** Who reports: the group, and the database and process that handled the message, where the client tells. */
type Reporter = { consumerGroup: string; storeId?: string | undefined; instanceId?: string | undefined };

type Kind = { kind: 'received' } | { kind: 'consumed' } | { kind: 'failed'; reason: string; detail: string };

/** Takes the consumer groups' reports: received, consumed, failed; single and batch (F-34, F-35). */
export function markDeliveryHandlers({ writes, log }: { writes: Pick<Writes, 'mark'>; log: Log }): MarkHandlers {
  const mark = async (
    { consumerGroup, storeId, instanceId }: Reporter,
    { messageKey, generation, traceparent = '' }: Delivery,
    kind: Kind,
    context: CallContext,
  ) => {
    const call = { traceparent, tracestate: '' };
    const copy = { consumerGroup, storeId, instanceId, messageKey, generation: generation === 0 ? 1 : generation };
    const result = await writes.mark({ ...copy, ...kind, call }, context.deadline);
    if (isRefusal(result)) throw appErrorOfRefusal(result);
    return result;
  };
  const single = (request: Delivery & Reporter, kind: Kind, context: CallContext, more: readonly Violation[] = []) => {
    refuseViolations([...checkReporter(request), ...checkDelivery('', request), ...more]);
    return mark(request, { ...request, traceparent: context.traceparent }, kind, context);
  };
  const batch = async (request: Reporter & { deliveries: Delivery[] }, kind: Kind, context: CallContext) => {
    refuseBatch(request, 'deliveries', request.deliveries.length);
    const one = (delivery: Delivery, index: number) => {
      refuseViolations(checkDelivery(`deliveries[${index}].`, delivery));
      return mark(request, delivery, kind, context);
    };
    return { results: await answerItems(request.deliveries, log, async (item, index) => one(item, index), { tracked: false }) };
  };
  return {
    confirmReceiveMessage: async (request, context) => single(request, { kind: 'received' }, context),
    batchConfirmReceiveMessage: (request, context) => batch(request, { kind: 'received' }, context),
    confirmConsumedMessage: async (request, context) => single(request, { kind: 'consumed' }, context),
    batchConfirmConsumedMessage: (request, context) => batch(request, { kind: 'consumed' }, context),
    reportConsumeFailure: async (request, context) => single(request, failed(request), context, checkFailureReason('reason', request.reason)),
    async batchReportConsumeFailure({ failures, ...reporter }, context) {
      refuseBatch(reporter, 'failures', failures.length);
      const one = async (failure: ConsumeFailure, index: number) => {
        const path = `failures[${index}].`;
        const delivery = failure.delivery ?? { messageKey: '', generation: 0 };
        refuseViolations([...checkDelivery(`${path}delivery.`, delivery), ...checkFailureReason(`${path}reason`, failure.reason)]);
        return mark(reporter, delivery, failed(failure), context);
      };
      return { results: await answerItems(failures, log, one, { tracked: false }) };
    },
  };
}

function failed({ reason, detail }: { reason: string; detail: string }): Kind {
  return { kind: 'failed', reason, detail: detail.slice(0, MAX_DETAIL) };
}

function checkReporter({ consumerGroup, storeId = '', instanceId }: Reporter): Violation[] {
  const instance = instanceId === undefined ? [] : checkInstanceId('instance_id', instanceId);
  return [...checkConsumerGroup('consumer_group', consumerGroup), ...checkStoreId('store_id', storeId), ...instance];
}

function refuseBatch(reporter: Reporter, field: string, count: number): void {
  refuseViolations([...checkReporter(reporter), ...checkListSize(field, count, MAX_REPORTS)]);
}

/** The key as it was delivered: also one that TPC itself made for a conflict. */
function checkDelivery(prefix: string, { messageKey, generation }: Delivery): Violation[] {
  return [...checkStoredKey(`${prefix}message_key`, messageKey), ...checkGeneration(`${prefix}generation`, generation)];
}
