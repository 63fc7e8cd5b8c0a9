import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import definition from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import service, {
  type AckMessageRequest,
  type ChangeInvisibleDurationRequest,
  type ForwardMessageToDeadLetterQueueRequest,
  type QueryAssignmentRequest,
  type QueryRouteRequest,
  type SendMessageRequest,
} from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';
import type { CommitQueue } from '../store/commit-queue.ts';
import type { BrokerStore } from '../store/store.ts';
import { formatReceiptHandle, parseReceiptHandle, type ReceiptHandle } from './receipt-handle.ts';
import type { ReceiveService } from './receive.ts';
import type { TelemetryService } from './telemetry.ts';
import { checkMessage, groupName, topicName } from './validate.ts';
import { Code, durationMs, okStatus, Refusal, toStatus, toStored, unary } from './wire.ts';

const { MessageType, Permission } = definition;
const BROKER_NAME = 'embedded';

export type MessagingParts = { queue: CommitQueue; store: BrokerStore; receive: ReceiveService; telemetry: TelemetryService };

/** RocketMQ 5's MessagingService. What it does not offer (transactions, pulling, lite topics) answers UNIMPLEMENTED by itself. */
export function messagingService(parts: MessagingParts): UntypedServiceImplementation {
  return {
    queryRoute: unary(
      (request: QueryRouteRequest) => queryRoute(parts, request),
      (status) => new service.QueryRouteResponse().setStatus(status),
    ),
    queryAssignment: unary(
      (request: QueryAssignmentRequest) => queryAssignment(parts, request),
      (status) => new service.QueryAssignmentResponse().setStatus(status),
    ),
    heartbeat: unary(
      () => new service.HeartbeatResponse().setStatus(okStatus()),
      (status) => new service.HeartbeatResponse().setStatus(status),
    ),
    notifyClientTermination: unary(
      () => new service.NotifyClientTerminationResponse().setStatus(okStatus()),
      (status) => new service.NotifyClientTerminationResponse().setStatus(status),
    ),
    sendMessage: unary(
      (request: SendMessageRequest) => send(parts, request),
      (status) => new service.SendMessageResponse().setStatus(status),
    ),
    ackMessage: unary(
      (request: AckMessageRequest) => acknowledge(parts, request),
      (status) => new service.AckMessageResponse().setStatus(status),
    ),
    changeInvisibleDuration: unary(
      (request: ChangeInvisibleDurationRequest) => changeInvisible(parts, request),
      (status) => new service.ChangeInvisibleDurationResponse().setStatus(status),
    ),
    forwardMessageToDeadLetterQueue: unary(
      (request: ForwardMessageToDeadLetterQueueRequest) => forward(parts, request),
      (status) => new service.ForwardMessageToDeadLetterQueueResponse().setStatus(status),
    ),
    receiveMessage: parts.receive.handle,
    telemetry: parts.telemetry.handle,
  };
}

/** One queue per topic, number 0, at the very address that the client used: so it works behind mapped ports, too. */
function queueOf(topic: string, endpoints: ReturnType<QueryRouteRequest['getEndpoints']>) {
  if (!endpoints || endpoints.getAddressesList().length === 0) throw new Refusal(Code.ILLEGAL_ACCESS_POINT, 'the request names no endpoints');
  const broker = new definition.Broker().setName(BROKER_NAME).setId(0).setEndpoints(endpoints);
  return new definition.MessageQueue()
    .setTopic(new definition.Resource().setName(topic))
    .setId(0)
    .setPermission(Permission.READ_WRITE)
    .setBroker(broker)
    .setAcceptMessageTypesList([MessageType.NORMAL]);
}

async function queryRoute({ queue, store }: MessagingParts, request: QueryRouteRequest) {
  const topic = topicName(request.getTopic());
  const route = queueOf(topic, request.getEndpoints());
  await queue.submit(() => store.topicId(topic));
  return new service.QueryRouteResponse().setStatus(okStatus()).setMessageQueuesList([route]);
}

async function queryAssignment({ queue, store }: MessagingParts, request: QueryAssignmentRequest) {
  const topic = topicName(request.getTopic());
  groupName(request.getGroup());
  const assignment = new definition.Assignment().setMessageQueue(queueOf(topic, request.getEndpoints()));
  await queue.submit(() => store.topicId(topic));
  return new service.QueryAssignmentResponse().setStatus(okStatus()).setAssignmentsList([assignment]);
}

async function send({ queue, store, receive }: MessagingParts, request: SendMessageRequest) {
  const messages = request.getMessagesList();
  if (messages.length === 0) throw new Refusal(Code.MESSAGE_CORRUPTED, 'the request has no message');
  const topic = topicName(messages[0]!.getTopic());
  for (const message of messages) {
    if (message.getTopic()?.getName() !== topic) throw new Refusal(Code.MESSAGE_CORRUPTED, 'the messages of one request are of different topics');
    checkMessage(message);
  }
  const firstId = messages[0]!.getSystemProperties()!.getMessageId();
  const stored = messages.map(toStored);
  await queue.submit(() => store.append(topic, stored, Date.now()));
  receive.wake(topic);
  // One entry for the whole request, as RocketMQ answers a batch.
  const entry = new service.SendResultEntry().setStatus(okStatus()).setMessageId(firstId);
  return new service.SendMessageResponse().setStatus(okStatus()).setEntriesList([entry]);
}

async function acknowledge({ queue, store }: MessagingParts, request: AckMessageRequest) {
  const group = groupName(request.getGroup());
  topicName(request.getTopic());
  const entries = request.getEntriesList();
  const handles = entries.map((entry) => readHandle(entry.getReceiptHandle()));
  const results = await queue.submit(() => {
    const now = Date.now();
    return handles.map((handle) => store.acknowledge(group, handle, now));
  });
  const response = new service.AckMessageResponse();
  for (const [index, entry] of entries.entries()) {
    const result = new service.AckMessageResultEntry().setMessageId(entry.getMessageId()).setReceiptHandle(entry.getReceiptHandle());
    response.addEntries(result.setStatus(results[index] === 'settled' ? okStatus() : expired()));
  }
  const settled = results.filter((result) => result === 'settled').length;
  if (settled === results.length) return response.setStatus(okStatus());
  return response.setStatus(settled === 0 ? expired() : toStatus(Code.MULTIPLE_RESULTS, 'some entries were refused'));
}

async function changeInvisible({ queue, store }: MessagingParts, request: ChangeInvisibleDurationRequest) {
  const group = groupName(request.getGroup());
  const handle = readHandle(request.getReceiptHandle());
  const forMs = durationMs(request.getInvisibleDuration());
  const fresh = await queue.submit(() => store.changeInvisible(group, handle, Date.now() + forMs, Date.now()));
  if (!fresh) return new service.ChangeInvisibleDurationResponse().setStatus(expired());
  return new service.ChangeInvisibleDurationResponse().setStatus(okStatus()).setReceiptHandle(formatReceiptHandle(fresh));
}

async function forward({ queue, store }: MessagingParts, request: ForwardMessageToDeadLetterQueueRequest) {
  const group = groupName(request.getGroup());
  const handle = readHandle(request.getReceiptHandle());
  const moved = await queue.submit(() => store.forwardToDeadLetters(group, handle, Date.now()));
  return new service.ForwardMessageToDeadLetterQueueResponse().setStatus(moved ? okStatus() : expired());
}

/** RocketMQ answers a handle that it cannot read as an internal error, and for the whole request. */
function readHandle(text: string): ReceiptHandle {
  const handle = parseReceiptHandle(text);
  if (!handle) throw new Refusal(Code.INTERNAL_SERVER_ERROR, `"${text}" is no receipt handle`);
  return handle;
}

function expired() {
  return toStatus(Code.INVALID_RECEIPT_HANDLE, 'the receipt handle is of an earlier delivery or its time is over');
}
