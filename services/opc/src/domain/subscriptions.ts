/** A topic with the tags that are taken of it; no tags: all. */
export type TopicTags = { topic: string; tags: readonly string[] };

const NAME = /^[A-Za-z0-9_%-]{1,64}$/;

/**
 * Reads subscriptions as RocketMQ writes them: `TOPIC@TAG||TAG`, several topics with `;` between them; `TOPIC` or `TOPIC@*` takes every tag.
 * Tags of one topic in two entries are joined.
 * @returns what was read, or in words what is wrong
 */
export function parseSubscriptions(text: string): { subscriptions: TopicTags[] } | { problem: string } {
  const byTopic = new Map<string, Set<string>>();
  for (const entry of text.split(';').map((part) => part.trim())) {
    if (entry === '') continue;
    const [topic = '', expression = '*', ...rest] = entry.split('@').map((part) => part.trim());
    const tags = expression === '*' ? [] : expression.split('||').map((tag) => tag.trim());
    const bad = [topic, ...tags].find((name) => !NAME.test(name));
    if (rest.length > 0 || bad !== undefined) return { problem: `"${entry}" is not TOPIC@TAG||TAG` };
    const known = byTopic.get(topic);
    // One entry without tags takes them all, whatever other entries name.
    if (known && (known.size === 0 || tags.length === 0)) byTopic.set(topic, new Set());
    else byTopic.set(topic, new Set([...(known ?? []), ...tags]));
  }
  if (byTopic.size === 0) return { problem: 'no topic is named' };
  return { subscriptions: [...byTopic].map(([topic, tags]) => ({ topic, tags: [...tags] })) };
}
