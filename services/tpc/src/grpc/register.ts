import {
  checkConsumerGroup,
  checkHost,
  checkInstanceId,
  checkProducerGroup,
  checkStoreId,
  checkTag,
  checkTopic,
  durationMs,
  MAX_BATCH,
  MAX_BATCH_BYTES,
  MAX_HEADERS,
  MAX_HEADERS_BYTES,
  MAX_REQUEST_BYTES,
  toDuration,
  type Violation,
} from '@tpc/core';
import type { Duration } from '@tpc/gen/google/protobuf/duration';
import type { MessageLimits, RegisterConsumerRequest, RegisterProducerRequest } from '@tpc/gen/tpc/v1/reliable_message_service';
import type { Store } from '../store/store.ts';
import { appErrorOf, appErrorOfRefusal, isRefusal } from './errors.ts';
import type { MessageHandlers } from './handlers.ts';
import { checkCount, checkDuration, checkListSize, refuseViolations } from './validate.ts';

/** Most topics of a producer, subscriptions of a consumer, tags of a subscription. */
const MAX_ENTRIES = 64;
/** Most subscriptions of each kind that a heartbeat is answered with; ListConsumerGroups names all. */
const MAX_ANSWERED = 64;
/** Longest retention that anybody may tell, milliseconds: a hundred years. */
const MAX_RETENTION_MS = 100 * 365 * 86_400_000;

export type RegisterOptions = {
  store: Pick<Store, 'registerProducer' | 'registerConsumer'>;
  /** Told when a registration subscribed something new. */
  onSubscribed: () => void;
  heartbeatIntervalMs: number;
  /** How long a finished message's key is kept, milliseconds. */
  messageRetentionMs: number;
  /** How much longer than that an outbox or inbox must keep its rows, milliseconds: what the broker may still deliver. */
  brokerRetentionMs: number;
  /** Largest body that is taken, bytes. */
  maxBodyBytes: () => number;
};

/** Registration of instances, repeated as their heartbeat (F-41). */
export function registerHandlers(options: RegisterOptions): Pick<MessageHandlers, 'registerProducer' | 'registerConsumer'> {
  const neededMs = options.messageRetentionMs + options.brokerRetentionMs;
  const heartbeatInterval = toDuration(options.heartbeatIntervalMs);
  const messageRetention = toDuration(options.messageRetentionMs);
  return {
    async registerProducer(request) {
      refuseViolations(checkProducer(request));
      refuseRetention('outbox_retention', request.outboxRetention, neededMs);
      const { producerGroup, storeId, instanceId, topics, host } = request;
      const namesGroup = request.outboxNamesGroup ?? false;
      const result = await options.store.registerProducer({ producerGroup, storeId, instanceId, topics, host, namesGroup });
      if (isRefusal(result)) throw appErrorOfRefusal(result);
      const { epoch } = result;
      const epochTime = epoch.restoredTo === undefined ? undefined : new Date(epoch.restoredTo);
      return { heartbeatInterval, epoch: BigInt(epoch.epoch), epochTime, messageRetention, limits: limitsFor(options.maxBodyBytes()) };
    },
    async registerConsumer(request) {
      refuseViolations(checkConsumer(request));
      refuseRetention('inbox_retention', request.inboxRetention, neededMs);
      const { consumerGroup, storeId, instanceId, subscriptions, host, idle } = request;
      const result = await options.store.registerConsumer({ consumerGroup, storeId, instanceId, subscriptions, host, idle });
      if (isRefusal(result)) throw appErrorOfRefusal(result);
      if (result.added > 0) options.onSubscribed();
      const { differing, untaken } = result.faults;
      const faults = { differingSubscriptions: differing.slice(0, MAX_ANSWERED), untakenSubscriptions: untaken.slice(0, MAX_ANSWERED) };
      return { heartbeatInterval, epoch: BigInt(result.epoch.epoch), messageRetention, ...faults };
    },
  };
}

/** What producers are told, so that they refuse before they commit. */
function limitsFor(maxBodyBytes: number): MessageLimits {
  return {
    maxBodyBytes,
    maxHeaders: MAX_HEADERS,
    maxHeadersBytes: MAX_HEADERS_BYTES,
    maxBatchMessages: MAX_BATCH,
    maxBatchBytes: MAX_BATCH_BYTES,
    maxRequestBytes: MAX_REQUEST_BYTES,
  };
}

function checkProducer({ producerGroup, storeId, instanceId, topics, host, outboxRetention }: RegisterProducerRequest): Violation[] {
  return [
    ...checkProducerGroup('producer_group', producerGroup),
    ...checkStoreId('store_id', storeId),
    ...checkInstanceId('instance_id', instanceId),
    ...checkCount('topics', topics.length, MAX_ENTRIES),
    ...topics.slice(0, MAX_ENTRIES).flatMap((topic, index) => checkTopic(`topics[${index}]`, topic)),
    ...checkHost('host', host),
    ...checkDuration('outbox_retention', outboxRetention, MAX_RETENTION_MS),
  ];
}

function checkConsumer({ consumerGroup, storeId, instanceId, host, inboxRetention, subscriptions }: RegisterConsumerRequest): Violation[] {
  return [
    ...checkConsumerGroup('consumer_group', consumerGroup),
    ...checkStoreId('store_id', storeId),
    ...checkInstanceId('instance_id', instanceId),
    ...checkHost('host', host),
    ...checkDuration('inbox_retention', inboxRetention, MAX_RETENTION_MS),
    ...checkListSize('subscriptions', subscriptions.length, MAX_ENTRIES),
    ...subscriptions.slice(0, MAX_ENTRIES).flatMap((subscription, index) => checkSubscription(`subscriptions[${index}]`, subscription)),
  ];
}

function checkSubscription(path: string, { topic, tags }: { topic: string; tags: readonly string[] }): Violation[] {
  return [
    ...checkTopic(`${path}.topic`, topic),
    ...checkCount(`${path}.tags`, tags.length, MAX_ENTRIES),
    ...tags.slice(0, MAX_ENTRIES).flatMap((tag, index) => checkSubscribedTag(`${path}.tags[${index}]`, tag)),
  ];
}

function checkSubscribedTag(field: string, tag: string): Violation[] {
  if (tag !== '') return checkTag(field, tag);
  return [{ field, reason: 'TAG_EMPTY', description: 'A subscribed tag must not be empty; an empty list of tags takes all.' }];
}

/** A key that is forgotten before everybody else has forgotten it could be taken for a new event. */
function refuseRetention(field: string, given: Duration | undefined, neededMs: number): void {
  const givenMs = durationMs(given);
  if (givenMs === undefined || givenMs >= neededMs) return;
  throw appErrorOf(
    'RETENTION_TOO_SHORT',
    { given_ms: String(givenMs), needed_ms: String(neededMs) },
    { violations: [{ field, reason: 'RETENTION_TOO_SHORT', description: `At least ${neededMs} ms are needed.` }] },
  );
}
