/** How producers and consumers make themselves known. */
import type { SubscriptionFaults } from '../consumer-groups/subscription-faults.ts';

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
  /**
   * Tags empty: all tags. `idle`: the last long poll of this topic came back empty; told of all subscriptions, these are all that the instance takes.
   * Absent: `idle` of the registration counts.
   */
  subscriptions: readonly { topic: string; tags: readonly string[]; idle?: boolean | undefined }[];
  host: string;
  /** Its link to the broker works and its last long polls of all topics came back empty. */
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
  /** Of the group, as last reviewed. */
  faults: SubscriptionFaults;
};
