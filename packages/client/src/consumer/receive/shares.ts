/**
 * Whether a topic may hold one more message in memory. Half of the places are kept for all topics in equal shares, so that a topic that has become slow
 * cannot take those of the others; the other half goes to whoever comes first. Each topic may hold at least one.
 * @param maxInMemory places of all topics together
 * @param queues how many messages each topic holds in memory, of every topic that is handled
 */
export function mayHold(topic: string, maxInMemory: number, queues: ReadonlyMap<string, { held: number }>): boolean {
  const share = Math.max(1, Math.floor(maxInMemory / (2 * queues.size)));
  const mine = queues.get(topic)?.held ?? 0;
  if (mine < share) return true;
  let taken = 0;
  for (const [name, { held }] of queues) taken += name === topic ? held : Math.max(held, share);
  return taken < maxInMemory;
}
