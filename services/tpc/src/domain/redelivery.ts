/** What TPC knows about a group when it thinks about publishing a message to it again. */
export type RedeliveryFacts = {
  /** When this group's copy was last handed to the broker; undefined: not known to have been, so its publishing is due or under way. */
  publishedAt: number | undefined;
  /** An operator wants it. */
  urgent: boolean;
  /** Latest time of publishing among what the group has received on the topic; undefined: nothing yet. */
  groupProgressAt: number | undefined;
  /** The oldest of the last heartbeats of the group's live instances, when all of them were idle; undefined: one is busy, or none lives. */
  idleSince: number | undefined;
  /** See StorePolicies. */
  overtakenByMs: number;
};

/**
 * Whether publishing a copy again could help (design §4); pure. It could when the group has received something published well after it
 * on that topic, or when all its live instances say that nothing waits for them at the broker: then the copy is lost. In a healthy backlog neither
 * holds, so it is never published twice; neither does it while no instance lives.
 */
export function redeliveryHelps(facts: RedeliveryFacts): boolean {
  if (facts.urgent) return true;
  // What is not known to have been published is not overtaken.
  const lostBefore = (facts.publishedAt ?? Number.POSITIVE_INFINITY) + facts.overtakenByMs;
  return Math.max(facts.groupProgressAt ?? 0, facts.idleSince ?? 0) >= lostBefore;
}

/**
 * The time of publishing up to which copies of a group could be helped on some topic, by the rule above; pure. Undefined: none could, so none needs a look.
 * @param latestProgressAt the furthest of the group's progress on all its topics
 */
export function helpedUntil(
  facts: Pick<RedeliveryFacts, 'idleSince' | 'overtakenByMs'> & { latestProgressAt: number | undefined },
): number | undefined {
  const signs = [facts.latestProgressAt, facts.idleSince].filter((sign) => sign !== undefined);
  return signs.length === 0 ? undefined : Math.max(...signs) - facts.overtakenByMs;
}
