import type { RetryPolicy } from '@tpc/core';
import type { InvalidContent } from '../domain/invalid-content.ts';
import type { Refusal } from '../domain/reasons.ts';
import type { CancelKind, ConfirmStatus, MessageState, Verdict } from '../domain/states.ts';
import type { NameQuotas } from './quotas/quotas.ts';

/** Times are UTC milliseconds of the database's clock, lengths of time are milliseconds. Names, keys and groups are already validated. */

/** What a producer hands over, checked and with defaults filled in ('' for absent strings). */
export type MessageContent = {
  topic: string;
  tag: string;
  body: Buffer;
  contentType: string;
  headers: Readonly<Record<string, string>>;
  traceparent: string;
  tracestate: string;
};

export type SaveItem = { producerGroup: string; storeId: string; messageKey: string; content: MessageContent };

/** State of the message after the call, or which rule refused it. */
export type StateResult = { state: MessageState } | Refusal;

/** Claim of work: token known beforehand (a whole number below 2^53, new for each batch) and how long the claim lasts. */
export type Claim = { token: number; leaseMs: number };

export type ConfirmItem = {
  producerGroup: string;
  messageKey: string;
  /** Content that the caller still has in memory (from the save); it is then not read back. */
  content?: MessageContent | undefined;
};

export type SaveAndSendItem = SaveItem & {
  /** True: the business has committed; never refused. False: refused like a save. */
  committed: boolean;
  /** The message breaks the rules of contents: unless it is known already, it is kept DEAD (CONTENT_INVALID). */
  invalid?: InvalidContent;
};

export type SaveAndSendResult =
  | {
      state: MessageState;
      /** The key under which it is stored (see KEY_CONFLICT). */
      storedKey: string;
      /** Why it is DEAD, else ''. */
      reason: string;
    }
  | Refusal;

/** One message to hand to the broker now; the caller has it claimed. */
export type PublishItem = {
  messageId: number;
  messageKey: string;
  producerGroup: string;
  generation: number;
  /** Failed tries to publish since the last success; give it back with the result. */
  attempts: number;
  content: MessageContent;
};

export type ConfirmOutcome = {
  /** One for each item, in order. */
  results: StateResult[];
  /** What became SENDING by this call and is claimed for the caller to publish at once. If the caller dies, the lease runs out and another does. */
  publish: PublishItem[];
  /** Set when the commit is durable but a body could not be read: those messages are left out of `publish` and are published when the lease ends. */
  contentError?: unknown;
};

export type SaveAndSendOutcome = { results: SaveAndSendResult[]; publish: PublishItem[]; contentError?: unknown };

export type DeleteItem = { producerGroup: string; messageKey: string };

export type VerdictItem = { producerGroup: string; storeId: string; messageKey: string; verdict: Verdict };

export type UncertainMessage = {
  messageKey: string;
  topic: string;
  checkCount: number;
  createdAt: number;
  traceparent: string;
  tracestate: string;
};

/** What became of one publish. `published`: the broker took it. `retry`: not now. `refused`: the broker's permanent no (bad message). */
export type PublishResult = {
  messageId: number;
  outcome: 'published' | 'retry' | 'refused';
  /** `attempts` of the PublishItem. */
  attempts: number;
  /** For `refused`: the broker's reason in words, without personal data. */
  detail?: string;
};

/** One group's copy to publish again, with only this group named. */
export type RedeliveryItem = PublishItem & { consumerGroup: string };

export type RedeliveryResult = PublishResult & { consumerGroup: string };

export type Mark = {
  consumerGroup: string;
  messageKey: string;
  /** From 1. */
  generation: number;
  /** Inbox database in which it was handled; undefined: a client that does not tell, which is believed. */
  storeId?: string | undefined;
  /** Who reports, for people. */
  instanceId?: string | undefined;
} & ({ kind: 'received' } | { kind: 'consumed' } | { kind: 'failed'; reason: string; detail: string });

export type MarkResult = {
  /** False: TPC follows no copy of this message for this group; nothing was recorded. */
  tracked: boolean;
};

export type RegisterProducer = {
  producerGroup: string;
  storeId: string;
  instanceId: string;
  topics: readonly string[];
  host: string;
  /** Whether each outbox row names its group, so that other groups may share the database. */
  namesGroup?: boolean;
};

export type RegisterConsumer = {
  consumerGroup: string;
  /** '' for a consumer without the library, which is a store of its own. */
  storeId: string;
  instanceId: string;
  /** Tags empty: all tags. */
  subscriptions: readonly { topic: string; tags: readonly string[] }[];
  host: string;
  /** Its link to the broker works and its last long poll came back empty. */
  idle: boolean;
};

export type Epoch = {
  /** From 1. */
  epoch: number;
  /** State to which the database was restored; undefined in epoch 1. */
  restoredTo: number | undefined;
};

export type RegisterProducerResult = { epoch: Epoch };
export type RegisterConsumerResult = {
  epoch: Epoch;
  /** How many topic and tag pairs are new: when > 0, call resumeUnsubscribed soon. */
  added: number;
};

export type MessageRow = {
  id: number;
  messageKey: string;
  state: MessageState;
  cancelKind: CancelKind;
  producerGroup: string;
  storeId: string;
  topic: string;
  tag: string;
  contentType: string;
  bodySize: number;
  headers: Readonly<Record<string, string>>;
  generation: number;
  openGroups: number;
  deadGroups: number;
  publishCount: number;
  checkCount: number;
  /** Code, or `code: words`; '' when there is none. */
  reason: string;
  attention: boolean;
  traceparent: string;
  createdAt: number;
  confirmedAt: number | undefined;
  publishedAt: number | undefined;
  finishedAt: number | undefined;
  dueAt: number | undefined;
};

export type ConfirmRow = {
  consumerGroup: string;
  status: ConfirmStatus;
  dead: boolean;
  generation: number;
  consumeCount: number;
  redeliveryCount: number;
  reason: string;
  receivedAt: number | undefined;
  consumedAt: number | undefined;
  dueAt: number | undefined;
};

export type TimelineEntry = { at: number; kind: string; consumerGroup: string; actor: string; detail: string };

/** Filters hold together; undefined or empty: all. */
export type MessageFilter = {
  messageKey?: string | undefined;
  producerGroup?: string | undefined;
  topic?: string | undefined;
  tag?: string | undefined;
  states?: readonly MessageState[] | undefined;
  attentionOnly?: boolean | undefined;
  /** Some group's copy is dead. */
  deadCopiesOnly?: boolean | undefined;
  createdFrom?: number | undefined;
  /** Exclusive. */
  createdTo?: number | undefined;
};

export type ListMessages = {
  filter: MessageFilter;
  /** 1 to 500. */
  pageSize: number;
  /** `next` of the page before; undefined: first page. */
  after: number | undefined;
};

export type MessagePage = {
  messages: MessageRow[];
  /** Undefined at the end and only there. */
  next: number | undefined;
};

export type MessageDetail = { message: MessageRow; confirms: ConfirmRow[]; timeline: TimelineEntry[]; body: Buffer | undefined };

export type ResendMessage = {
  messageKey: string;
  /** Empty: every group that has not consumed it. */
  consumerGroups: readonly string[];
  /** UUID of the act, or '' (each call acts). */
  requestId: string;
  actor: string;
  comment: string;
};

export type ResendResult = { message: MessageRow; consumerGroups: string[] } | Refusal;

export type ConsumerGroupView = {
  name: string;
  /** `topic`, or `topic:tag`. */
  subscriptions: string[];
  storeId: string;
  instances: number;
  unreceived: number;
  dead: number;
};

export type RemoveConsumerGroup = {
  consumerGroup: string;
  /** UUID of the act, or '' (each call acts). */
  requestId: string;
  actor: string;
  comment: string;
  /** Only tell what would be skipped. */
  validateOnly: boolean;
  /** Also with a live instance. */
  force: boolean;
};

export type RemovedConsumerGroup = { skipped: number; sample: string[] };

/** For metrics. Of messages that wait for something: how many, and how long the oldest has been due (0: nothing is overdue). */
export type Backlog = {
  /** WAITING_CONFIRM. `old` of them were prepared more than a minute ago, the first of those `oldestMs` ago (0: none). */
  uncertain: { count: number; oldestDueMs: number; old: number; oldestMs: number };
  /** SENDING, not handed to the broker yet. */
  unpublished: { count: number; oldestDueMs: number };
  /** SENDING, published, some group not settled. `oldestDueMs` is of the confirm rows that wait for a redelivery. */
  following: { count: number; oldestDueMs: number };
  dead: number;
  attention: number;
  /** The same messages by topic. Every known topic occurs, some several times in one state. */
  topics: { topic: string; state: BacklogState; count: number }[];
  consumerGroups: ConsumerGroupBacklog[];
  /** Every known producer group, with its live instances. */
  producerGroups: { producerGroup: string; instances: number }[];
};

/** SENDING in two: not handed to the broker yet, and handed to it. */
export type BacklogState = 'waiting_confirm' | 'unpublished' | 'published' | 'dead';

export type ConsumerGroupBacklog = {
  consumerGroup: string;
  /** Copies that the group has not reported as received. */
  unreceived: number;
  /** How long the first of them has been due for a redelivery, milliseconds; 0: none is. */
  oldestDueMs: number;
  /** Instances whose heartbeats come. */
  instances: number;
  /** Whether it subscribes anything. */
  subscribed: boolean;
  /** Copies that are dead, also of messages on which other groups are still at work. */
  dead: number;
};

/** What the store tells while it works, once it is committed; for metrics. */
export type StoreObserver = {
  /** A group reported copies as consumed. @param afterMs for each: since the message's confirm */
  onConsumed(consumerGroup: string, afterMs: readonly number[]): void;
  /** Messages reached their end, every group having consumed them. */
  onFinished(count: number): void;
  /** A message, or a group's copy of it, became dead. */
  onDead(reason: string): void;
  /** Messages were set aside (STRAY_COPIES) since copies of lost messages stood at their ids. */
  onStrayCopies(messageKeys: readonly string[]): void;
};

/** Every wait that the store sets, milliseconds, with growth, cap and jitter (`maxAttempts` is not used: the store never gives up by count). */
export type StorePolicies = {
  /** Prepare to first check-back, and between check-backs. */
  check: RetryPolicy;
  /** Between tries to publish while the broker does not take it. */
  publish: RetryPolicy;
  /** Confirm to first redelivery of a copy that its group has not reported, and between redeliveries. */
  redeliver: RetryPolicy;
  /** A redelivery can help once the group has received something published this much later on the topic. */
  overtakenByMs: number;
  /** An instance silent for this long counts as gone (three heartbeat intervals). */
  instanceGoneMs: number;
  /** How many names each group may make. */
  quotas: NameQuotas;
};
