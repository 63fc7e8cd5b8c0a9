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

/** A topic with one tag, or with all: as `topic:tag` or `topic`, as people read it. */
export function subscriptionName(topic: string, tag: string | undefined): string {
  return tag === undefined ? topic : `${topic}:${tag}`;
}

/** Whether some instance takes the tag of the topic; `undefined` asks for all tags. An instance that does not tell may take anything. Pure. */
export function isTaken(instances: readonly LiveInstance[], topic: string, tag: string | undefined): boolean {
  return instances.some(({ topics }) => {
    if (topics === undefined) return true;
    const taken = topics.get(topic);
    return taken !== undefined && (taken.tags.length === 0 || (tag !== undefined && taken.tags.includes(tag)));
  });
}

/**
 * What some instances of a group take and others do not that take the same topic; pure. RocketMQ wants the same subscriptions of all instances of a
 * group: it gives a message to any of them, and one whose filter lacks the tag drops it for the group. A topic that only some instances take is no
 * difference, since the others never ask for its messages. Instances that do not tell are left out.
 */
export function differingSubscriptions(instances: readonly LiveInstance[]): string[] {
  const told = instances.flatMap(({ topics }) => topics ?? []);
  const topics = new Set(told.flatMap((one) => [...one.keys()]));
  const differing = [...topics].flatMap((topic) => {
    const takers = told.flatMap((one) => one.get(topic) ?? []).map(({ tags }) => new Set(namesOf(topic, tags)));
    const all = new Set(takers.flatMap((names) => [...names]));
    return [...all].filter((name) => takers.some((names) => !names.has(name)));
  });
  return differing.sort();
}

function namesOf(topic: string, tags: readonly string[]): string[] {
  return tags.length === 0 ? [subscriptionName(topic, undefined)] : tags.map((tag) => subscriptionName(topic, tag));
}

/** A group's subscription; no tag: all tags. */
export type Subscribed = { topic: string; tag: string | undefined };

/** What a group subscribes and none of its instances takes: messages that nobody receives. Pure. */
export function untakenSubscriptions(subscribed: readonly Subscribed[], instances: readonly LiveInstance[]): string[] {
  const untaken = subscribed.filter(({ topic, tag }) => !isTaken(instances, topic, tag));
  return untaken.map(({ topic, tag }) => subscriptionName(topic, tag)).sort();
}
