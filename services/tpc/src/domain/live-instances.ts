/** What an instance takes of one topic. */
export type TakenTopic = {
  /** Empty: all tags. */
  tags: readonly string[];
  /** Nothing of the topic waited for it at the broker. */
  idle: boolean;
};

/** An instance of a consumer group whose heartbeats come, as its last one said. */
export type LiveInstance = {
  startedAt: number;
  heartbeatAt: number;
  /** Nothing of any topic waited for it at the broker. */
  idle: boolean;
  /** All that it takes, by topic; undefined: it does not tell. */
  topics: ReadonlyMap<string, TakenTopic> | undefined;
};

/**
 * Since when nothing of a topic waits for a group at the broker; pure. It is the oldest of the last heartbeats of the instances that take the topic, when
 * each of them was idle on it. An instance that does not tell topic by topic counts for every topic, idle or busy as a whole.
 * @returns undefined when one of them is busy, or none takes the topic
 */
export function idleSince(instances: readonly LiveInstance[], topic: string): number | undefined {
  const takers = instances.filter(({ topics }) => topics === undefined || topics.has(topic));
  const isIdle = ({ idle, topics }: LiveInstance) => (topics === undefined ? idle : topics.get(topic)?.idle === true);
  if (takers.length === 0 || !takers.every(isIdle)) return undefined;
  return takers.reduce((oldest, { heartbeatAt }) => Math.min(oldest, heartbeatAt), Number.POSITIVE_INFINITY);
}

/** The latest time since which a group is idle on some topic; pure. Undefined: it is idle on none. */
export function latestIdleSince(instances: readonly LiveInstance[]): number | undefined {
  // Of topics that nobody names, those decide that speak for all their topics together.
  const topics = new Set(['', ...instances.flatMap(({ topics }) => [...(topics?.keys() ?? [])])]);
  const since = [...topics].map((topic) => idleSince(instances, topic)).filter((time) => time !== undefined);
  return since.length === 0 ? undefined : Math.max(...since);
}
