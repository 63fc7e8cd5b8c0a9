import { status as grpcStatus } from '@grpc/grpc-js';
import { durationMs, toDuration } from '@tpc/core';
import type { Status } from '@tpc/gen/google/rpc/status';
import type { MessageState, OutgoingMessage } from '@tpc/gen/tpc/v1/message';
import type { MessageLimits, ReliableMessageServiceService } from '@tpc/gen/tpc/v1/reliable_message_service';
import type { FakeLedger, FakeMessage } from './fake-ledger.ts';
import { FakeRefusal } from './fake-refusal.ts';

type Service = typeof ReliableMessageServiceService;
type Methods = {
  [M in keyof Service]: (
    request: ReturnType<Service[M]['requestDeserialize']>,
  ) => ReturnType<Service[M]['responseDeserialize']> | Promise<ReturnType<Service[M]['responseDeserialize']>>;
};

type Parts = {
  ledger: FakeLedger;
  /** Keys that wait to be asked about; taken out when they are. */
  asked: string[];
  heartbeatMs: number;
  epoch: bigint;
  limits: MessageLimits | undefined;
  /** Told to consumers. */
  faults: { differing: string[]; untaken: string[] };
  beforeItem: (messageKey: string) => void;
  /** Resolves when `ready`, when the wait ran out, or when the caller is gone. */
  untilAsked: (ready: () => boolean, waitMs: number) => Promise<void>;
};

const OK: Status = { code: grpcStatus.OK, message: '', details: [] };
const NO_STATE: { state: MessageState } = { state: 0 };
const DEFAULT_WAIT_MS = 20_000;

/** What each method of ReliableMessageService does on the ledger. */
export function fakeMethods(parts: Parts): Methods {
  return { ...producerMethods(parts), ...consumerMethods(parts), ...checkBackMethods(parts) };
}

function producerMethods({ ledger, beforeItem }: Parts) {
  const save = (group: string, store: string, message: OutgoingMessage) => {
    beforeItem(message.messageKey);
    return ledger.save(group, store, message);
  };
  const confirm = (key: string) => {
    beforeItem(key);
    return ledger.confirm(key);
  };
  const saveAndSend = (group: string, store: string, message: OutgoingMessage, committed: boolean) => {
    beforeItem(message.messageKey);
    if (!committed) ledger.save(group, store, message);
    return ledger.saveAndSend(group, store, message);
  };
  const sent = (message: FakeMessage) => ({ state: message.state, storedKey: message.key, reason: message.reason });
  return {
    saveMessageWaitingConfirm: (request) => ({ state: save(request.producerGroup, request.storeId, required(request.message)).state }),
    batchSaveMessageWaitingConfirm: (request) => ({
      results: request.messages.map((message) => item(() => ({ state: save(request.producerGroup, request.storeId, message).state }), NO_STATE)),
    }),
    confirmAndSendMessage: (request) => ({ state: confirm(request.messageKey).state }),
    batchConfirmAndSendMessage: (request) => ({
      results: request.messageKeys.map((key) => item(() => ({ state: confirm(key).state }), NO_STATE)),
    }),
    saveAndSendMessage: (request) => sent(saveAndSend(request.producerGroup, request.storeId, required(request.message), request.committed)),
    batchSaveAndSendMessage: (request) => ({
      results: request.messages.map((message) =>
        item(() => sent(saveAndSend(request.producerGroup, request.storeId, message, request.committed)), { ...NO_STATE, storedKey: '', reason: '' }),
      ),
    }),
    directSendMessage: () => {
      throw new FakeRefusal('UNIMPLEMENTED', '', 'DirectSendMessage is not served yet');
    },
    deleteMessageByMessageKey: (request) => {
      beforeItem(request.messageKey);
      return { state: ledger.remove(request.messageKey).state };
    },
  } satisfies Partial<Methods>;
}

function consumerMethods({ beforeItem, heartbeatMs, epoch, faults }: Parts) {
  const one = (delivery: { messageKey: string } | undefined) => {
    beforeItem(delivery?.messageKey ?? '');
    return { tracked: true };
  };
  const many = (deliveries: ({ messageKey: string } | undefined)[]) => ({
    results: deliveries.map((delivery) => item(() => one(delivery), { tracked: false })),
  });
  return {
    confirmReceiveMessage: one,
    batchConfirmReceiveMessage: (request) => many(request.deliveries),
    confirmConsumedMessage: one,
    batchConfirmConsumedMessage: (request) => many(request.deliveries),
    reportConsumeFailure: one,
    batchReportConsumeFailure: (request) => many(request.failures.map((failure) => failure.delivery)),
    registerConsumer: () => ({
      heartbeatInterval: toDuration(heartbeatMs),
      epoch,
      messageRetention: toDuration(86_400_000),
      differingSubscriptions: faults.differing,
      untakenSubscriptions: faults.untaken,
    }),
  } satisfies Partial<Methods>;
}

function checkBackMethods({ ledger, asked, beforeItem, heartbeatMs, epoch, limits, untilAsked }: Parts) {
  return {
    fetchUncertainMessages: async (request) => {
      const isMine = (key: string) => {
        const message = ledger.messages.get(key);
        return message?.producerGroup === request.producerGroup && message.storeId === request.storeId;
      };
      await untilAsked(() => asked.some(isMine), durationMs(request.wait) ?? DEFAULT_WAIT_MS);
      const taken = asked.filter(isMine).slice(0, request.maxCount || 128);
      for (const key of taken) asked.splice(asked.indexOf(key), 1);
      return {
        messages: taken.map((messageKey) => ({
          messageKey,
          topic: ledger.messages.get(messageKey)?.content.topic ?? '',
          checkCount: 0,
          createTime: new Date(),
        })),
      };
    },
    reportOutcomes: (request) => ({
      results: request.outcomes.map((outcome) =>
        item(() => {
          beforeItem(outcome.messageKey);
          return { state: ledger.outcome(outcome.messageKey, outcome.verdict).state };
        }, NO_STATE),
      ),
    }),
    registerProducer: () => ({
      heartbeatInterval: toDuration(heartbeatMs),
      epoch,
      epochTime: undefined,
      messageRetention: toDuration(86_400_000),
      limits,
    }),
  } satisfies Partial<Methods>;
}

/** Per-item answer: an item's refusal is its own. */
function item<T extends object>(work: () => T, refused: T): { status: Status } & T {
  try {
    return { status: OK, ...work() };
  } catch (error) {
    if (!(error instanceof FakeRefusal)) throw error;
    return { status: error.toStatus(), ...refused };
  }
}

function required(message: OutgoingMessage | undefined): OutgoingMessage {
  if (message === undefined) throw new FakeRefusal('INVALID_ARGUMENT', '', 'message is required', 'message');
  return message;
}
