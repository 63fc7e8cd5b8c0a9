/** What operators see and do. */
import type { Refusal } from '../../domain/reasons.ts';
import type { CancelKind, ConfirmStatus, MessageState } from '../../domain/states.ts';
import type { SubscriptionFaults } from '../consumer-groups/subscription-faults.ts';

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
  /** As many as asked for, or fewer, even none, also before the end. */
  messages: MessageRow[];
  /** Undefined at the end and only there. */
  next: number | undefined;
  /** What was first stored after this time has been looked at; undefined at the end. */
  searchedBackTo: number | undefined;
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
} & SubscriptionFaults;

export type ListConsumerGroups = {
  /** Name of the last group of the page before; undefined: first page. */
  after: string | undefined;
  limit: number;
  /** Only groups with something wrong about what their instances take. */
  attentionOnly?: boolean;
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
