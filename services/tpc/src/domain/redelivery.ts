/** What TPC knows about a group when it thinks about publishing a message to it again. */
export type RedeliveryFacts = {
  /** When this group's copy was last handed to the broker; undefined: not known to have been, so its publishing is due or under way. */
  publishedAt: number | undefined;
  /** An operator wants it. */
  urgent: boolean;
  /** Latest time of publishing among what the group has received on the topic; undefined: nothing yet. */
  groupProgressAt: number | undefined;
  /** Since when nothing of the topic waits for the group's live instances (idleSince); undefined: one is busy there, or none takes it. */
  idleSince: number | undefined;
  /** See StorePolicies. */
  overtakenByMs: number;
};

/**
 * Whether publishing a copy again could help; pure. It could when the group has received something published well after it
 * on that topic, or when all its live instances say that nothing of that topic waits for them at the broker: then the copy is lost. In a healthy backlog neither
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
 * @param idleSince the latest of the group's idleness on all its topics
 * @param latestProgressAt the furthest of its progress on all of them
 */
export function helpedUntil(
  facts: Pick<RedeliveryFacts, 'idleSince' | 'overtakenByMs'> & { latestProgressAt: number | undefined },
): number | undefined {
  const signs = [facts.latestProgressAt, facts.idleSince].filter((sign) => sign !== undefined);
  return signs.length === 0 ? undefined : Math.max(...signs) - facts.overtakenByMs;
}
