import { isTaken, type LiveInstance, subscriptionName } from '../../domain/live-instances.ts';

/** What is wrong with what a group's live instances take, as `topic` or `topic:tag`. */
export type SubscriptionFaults = {
  /** Some of them take it, and others that take the same topic do not. */
  differing: string[];
  /** The group subscribes it, and none of them takes it. */
  untaken: string[];
};

/** What has changed about a group, and how many of its copies were made due since something is no longer wrong. */
export type SubscriptionReview = SubscriptionFaults & { consumerGroup: string; due: number };

/** Columns of consumer_group; NULL: none. */
export type StoredFaults = { differing: string | null; untaken: string | null };

export function decodeFaults({ differing, untaken }: StoredFaults): SubscriptionFaults {
  return { differing: decode(differing), untaken: decode(untaken) };
}

export function encodeFaults({ differing, untaken }: SubscriptionFaults): StoredFaults {
  return { differing: encode(differing), untaken: encode(untaken) };
}

function decode(stored: string | null): string[] {
  return stored === null ? [] : (JSON.parse(stored) as string[]);
}

function encode(names: readonly string[]): string | null {
  return names.length === 0 ? null : JSON.stringify(names);
}

/**
 * Whether a copy waits for an instance that takes its tag. Only where the last review has found its subscription untaken as well: the review that finds it
 * taken again makes such copies due, so none of them is forgotten.
 */
export function waitsForTaker(
  untaken: ReadonlySet<string>,
  instances: readonly LiveInstance[],
  { topic, tag }: { topic: string; tag: string },
): boolean {
  const found = untaken.has(subscriptionName(topic, undefined)) || untaken.has(subscriptionName(topic, tag));
  return found && instances.length > 0 && !isTaken(instances, topic, tag);
}
