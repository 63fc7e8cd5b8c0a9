/** What metrics read and are told. */
import type { SubscriptionFaults } from '../consumer-groups/subscription-faults.ts';

/** For metrics. Of messages that wait for something: how many, and how long the oldest has been due (0: nothing is overdue). */
export type Backlog = {
  /** WAITING_CONFIRM. `old` of them were prepared more than a minute ago, the first of those `oldestMs` ago (0: none). */
  uncertain: { count: number; oldestDueMs: number; old: number; oldestMs: number };
  /** SENDING, not handed to the broker yet. */
  unpublished: { count: number; oldestDueMs: number };
  /** SENDING, published, some group not settled. `oldestDueMs` is of the confirm rows that wait for a redelivery. */
  following: { count: number; oldestDueMs: number };
  dead: number;
  /** Without those that are only overdue. */
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
  /** How long the first of them has been due for a redelivery that could help, milliseconds; 0: none is, or the group is not there. */
  oldestDueMs: number;
  /** Instances whose heartbeats come. */
  instances: number;
  /** Whether it subscribes anything. */
  subscribed: boolean;
  /** Copies that were published long ago and that it has not reported (markOverdue). */
  overdue: number;
  /** Copies that are dead, also of messages on which other groups are still at work. */
  dead: number;
} & SubscriptionFaults;

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
