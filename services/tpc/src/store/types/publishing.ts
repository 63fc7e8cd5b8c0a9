/** Messages on their way to the broker, and what became of them there. */
import type { MessageContent, SaveAndSendResult, StateResult } from './producing.ts';

/** Claim of work: token known beforehand (a whole number below 2^53, new for each batch) and how long the claim lasts. */
export type Claim = { token: number; leaseMs: number };

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
