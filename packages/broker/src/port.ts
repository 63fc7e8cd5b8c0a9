/**
 * The broker as TPC and the client library see it. One adapter stands behind it (`rocketmq/`), which speaks RocketMQ 5's gRPC
 * protocol and so works on RocketMQ itself and on the embedded broker.
 */

import type { Context } from '@opentelemetry/api';

/** A message to be published. */
export type OutgoingBrokerMessage = {
  topic: string;
  /** Empty: no tag. */
  tag: string;
  /** Index keys, by which the broker's tools find the message; the first one is the message key. */
  keys: readonly string[];
  /** At least one byte. */
  body: Uint8Array;
  /** User properties. They travel unchanged to the consumer, but for those without a value, which RocketMQ drops. */
  properties: Readonly<Record<string, string>>;
  /**
   * On the clock of `performance.now()`, milliseconds: a message that still waits in this process then is not sent, and answered as one to be tried
   * again. Absent: it may wait for ever.
   */
  sendBefore?: number;
  /** Its publish's span as a context, to which that of the request is linked. */
  trace?: Context;
};

/** What became of one message that was published. */
export type PublishOutcome =
  | { ok: true; brokerMessageId: string }
  | {
      ok: false;
      /** True when the broker will refuse this message for ever (bad content, too large); false when trying again can help. */
      permanent: boolean;
      /** The broker's code and words, for the message's reason. */
      reason: string;
    };

/** The link to the broker, for health and metrics. */
export type BrokerLinkState = {
  connected: boolean;
  /** Why it is not connected; empty when it is. */
  error: string;
  /** When the state last changed, milliseconds of the process's wall clock. */
  since: number;
};

export interface BrokerPublisher {
  /** Begins to connect, and keeps trying with a growing wait while the broker is away. Does not wait for the connection. */
  start(): void;
  /**
   * Publishes messages, of one topic or several, in as few requests as the protocol allows. Never rejects: an outage is an outcome
   * per message. Answers in the order given.
   */
  publish(messages: readonly OutgoingBrokerMessage[]): Promise<PublishOutcome[]>;
  state(): BrokerLinkState;
  /** Waits for what is under way, at most `deadlineMs`, then leaves. */
  stop(deadlineMs: number): Promise<void>;
}

/** A message as received. */
export type ReceivedBrokerMessage = {
  brokerMessageId: string;
  topic: string;
  tag: string;
  keys: readonly string[];
  body: Uint8Array;
  properties: Readonly<Record<string, string>>;
  /** From 1; as the broker counts. */
  deliveryAttempt: number;
  /** When the broker took it, milliseconds; undefined when not told. */
  storedAt: number | undefined;
};

/** What a consumer group takes. No tags: all. */
export type BrokerSubscription = { topic: string; tags: readonly string[] };

export type BrokerSubscriberState = BrokerLinkState & {
  /** True when connected and every receive loop's last long poll came back empty. */
  idle: boolean;
  /** Topics of which the same holds, whatever the loops of the others do. */
  idleTopics: readonly string[];
};

export interface BrokerSubscriber {
  /** Begins to receive, and keeps trying while the broker is away. */
  start(): void;
  /** Resolves once the first poll has reached the broker, so that the group exists there and nothing published from now on is missed. */
  ready(): Promise<void>;
  state(): BrokerSubscriberState;
  /** Stops receiving, waits for batches that are being handled and their acknowledgements, at most `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>;
}

export type BrokerSubscriberOptions = {
  group: string;
  subscriptions: readonly BrokerSubscription[];
  /**
   * Takes a batch. Resolving acknowledges all of it; rejecting acknowledges none, and it comes again after the invisible time. Must
   * have stored the messages durably before it resolves.
   */
  onBatch: (messages: readonly ReceivedBrokerMessage[]) => Promise<void>;
  /** Awaited before each receive from a topic: back-pressure. A topic that has to wait holds up no other. */
  beforeReceive?: (topic: string) => Promise<void>;
};
