import type { Refusal } from '../domain/reasons.ts';
import type { SubscriptionReview } from './consumer-groups/subscription-faults.ts';
import type {
  Backlog,
  Claim,
  ConfirmItem,
  ConfirmOutcome,
  ConsumerGroupView,
  DeleteItem,
  ListConsumerGroups,
  ListMessages,
  Mark,
  MarkResult,
  MessageDetail,
  MessagePage,
  PublishItem,
  PublishResult,
  RedeliveryItem,
  RedeliveryResult,
  RegisterConsumer,
  RegisterConsumerResult,
  RegisterProducer,
  RegisterProducerResult,
  RemoveConsumerGroup,
  RemovedConsumerGroup,
  ResendMessage,
  ResendResult,
  SaveAndSendItem,
  SaveAndSendOutcome,
  SaveItem,
  StateResult,
  UncertainMessage,
  VerdictItem,
} from './store-types.ts';

/**
 * TPC's tables through functions named by what they mean. Each function is one transaction (or one statement), may be called again with the same
 * arguments at any time, and is right when several replicas call it at once. Batches answer one result for each item, in order; an item may occur
 * twice. Deadlocks, lock time-outs and lost connections are tried again inside with a bound; after that the database's error is thrown, and
 * nothing, a part or all of the call may have been done.
 *
 * A batch above 500 items is done in parts. Keep the bodies of a batch below 2 MiB and below the server's max_allowed_packet.
 */
export interface Store {
  // Producer's calls

  /** Prepares messages: WAITING_CONFIRM. Refusals: NO_SUBSCRIBER, KEY_CONFLICT, KEY_ROLLED_BACK. */
  saveMessages(items: readonly SaveItem[]): Promise<StateResult[]>;
  /**
   * Makes prepared messages SENDING (or DEAD for want of a subscriber), durably, and claims them for the caller to publish.
   * Refusals: MESSAGE_NOT_FOUND, KEY_ROLLED_BACK (the message then also needs attention), CONTENT_NEEDED.
   */
  confirmMessages(items: readonly ConfirmItem[], claim: Claim): Promise<ConfirmOutcome>;
  /**
   * Stores and confirms in one transaction, right in every state of the key. With `committed` never refused, but for STORE_UNAVAILABLE.
   * @param until when the last caller stops waiting, on the clock of `performance.now()`: nothing is tried again after it. Default: never.
   */
  saveAndSendMessages(items: readonly SaveAndSendItem[], claim: Claim, until?: number): Promise<SaveAndSendOutcome>;
  /** Cancels prepared messages (ABORTED). Refusals: DELETE_FAILED (unknown), ALREADY_SENDING. A cancelled one is answered as it is. */
  deleteMessages(items: readonly DeleteItem[]): Promise<StateResult[]>;
  /**
   * Takes the producers' verdicts. COMMITTED is a confirm, and what it makes SENDING is claimed for the caller; ROLLED_BACK cancels for good;
   * IN_PROGRESS and NONE change nothing but the timeline. Refusals: MESSAGE_NOT_FOUND, STORE_MISMATCH, CONTENT_NEEDED, and KEY_ROLLED_BACK for
   * COMMITTED after ROLLED_BACK.
   */
  applyVerdicts(items: readonly VerdictItem[], claim: Claim): Promise<ConfirmOutcome>;
  /**
   * Claims prepared messages of one producer group and store whose outcome is due to be asked. The claim lasts until the next check (growing
   * wait); each claim counts as a check.
   */
  claimUncertain(owner: { producerGroup: string; storeId: string }, limit: number): Promise<UncertainMessage[]>;
  /** Milliseconds until the next check of this owner is due: 0 when one is due now, undefined when it has no prepared message. For long polls. */
  nextUncertainInMs(owner: { producerGroup: string; storeId: string }): Promise<number | undefined>;

  // Publishing

  /** Claims messages due to be published (never published, failed, or left by a replica that died), taking turns over the producer groups. */
  claimDueToPublish(limit: number, claim: Claim): Promise<PublishItem[]>;
  /**
   * Records what became of claimed publishes; a write-behind. Accepted only in state SENDING and under this claim's token, so a late result of a lost
   * claim changes nothing. `refused` makes the message DEAD (BROKER_REFUSED).
   * @returns how many results were accepted
   */
  recordPublishResults(token: number, results: readonly PublishResult[]): Promise<number>;
  /**
   * Claims copies that a group has not reported and that are worth publishing again (or that an operator resends), oldest first, taking turns over the
   * consumer groups. Those of a group that is not there are not looked at; of the others, what cannot be helped by it is moved on. Publish each with
   * `onlyGroup` set.
   * @returns the copies, and how many due rows were looked at: 0 means nothing more is due now
   */
  claimDueRedeliveries(limit: number, claim: Claim): Promise<{ items: RedeliveryItem[]; examined: number }>;
  /** Like recordPublishResults, for redeliveries. */
  recordRedeliveryResults(token: number, results: readonly RedeliveryResult[]): Promise<number>;
  /**
   * Notes the copies that their groups have not reported though they were published long ago: in the message's attention and timeline. Each published
   * message is looked at once.
   * @returns how many messages were looked at, and how many copies were noted
   */
  markOverdue(limit: number): Promise<{ examined: number; overdue: number }>;
  /**
   * Makes due soon what is due later than any of the waits allows, as after the database's clock was set back. What is claimed keeps a whole lease. Call it
   * every minute or so, and again at once while there is more.
   * @param limit most rows of each kind of work and owner
   * @param leaseMs of a claim to publish
   */
  pullInFarDue(limit: number, leaseMs: number): Promise<{ pulledIn: number; more: boolean }>;
  /**
   * Makes messages SENDING that were DEAD for want of a subscriber and now have one; they become due to be published. Paced by its limit: call it
   * every few seconds, and again at once while it answers `limit`.
   * @returns how many were resumed
   */
  resumeUnsubscribed(limit: number): Promise<number>;

  // Consumer's reports

  /** Takes receive, consumed and failure reports of all groups in one transaction. Refused where another holds the message (STORE_UNAVAILABLE), or from another inbox database than the group's (INBOX_STORE_CONFLICT). */
  markDeliveries(marks: readonly Mark[]): Promise<(MarkResult | Refusal)[]>;

  // Registration

  /** Notes a producer instance; repeat as heartbeat. Refusal: OUTBOX_SHARED. */
  registerProducer(registration: RegisterProducer): Promise<RegisterProducerResult | Refusal>;
  /** Notes a consumer instance and widens its group's subscriptions; repeat as heartbeat. Refusal: INBOX_STORE_CONFLICT. */
  registerConsumer(registration: RegisterConsumer): Promise<RegisterConsumerResult | Refusal>;
  /** A fetch of uncertain messages is a sign of life of the producer instance. */
  touchProducerInstance(instance: { producerGroup: string; storeId: string; instanceId: string }): Promise<void>;

  // Operators

  /** Messages by filter, newest first, by keyset. */
  listMessages(request: ListMessages): Promise<MessagePage>;
  /** One message with each group's copy and its timeline; undefined when unknown. The body only when asked for. */
  getMessage(messageKey: string, options: { includeBody: boolean }): Promise<MessageDetail | undefined>;
  /**
   * Publishes a message again (see ResendMessage in the proto). The copies become due at once; claimDueRedeliveries hands them out.
   * Refusals: RESEND_NOT_FOUND, NOT_RESENDABLE, GROUP_NOT_SUBSCRIBED, NO_SUBSCRIBER, REQUEST_ID_REUSED.
   */
  resendMessage(request: ResendMessage): Promise<ResendResult>;
  /** Registered consumer groups in the order of their names, after `after`, at most `limit`. */
  listConsumerGroups(request: ListConsumerGroups): Promise<ConsumerGroupView[]>;
  /** Ends a group's subscriptions and skips its open and dead copies. Refusals: GROUP_NOT_FOUND, GROUP_IS_LIVE, REQUEST_ID_REUSED. */
  removeConsumerGroup(request: RemoveConsumerGroup): Promise<RemovedConsumerGroup | Refusal>;
  /**
   * Compares what the live instances of each consumer group take with each other and with what the group subscribes, and keeps what is wrong for
   * registrations, lists and redeliveries. When something is wrong no longer, the group's open copies become due.
   * @returns what has changed by this call
   */
  reviewSubscriptions(): Promise<SubscriptionReview[]>;
  /** Counts and ages of what waits; a scan of the open messages' index, for metrics. */
  readBacklog(): Promise<Backlog>;
}
