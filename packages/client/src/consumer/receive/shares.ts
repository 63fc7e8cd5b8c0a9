/**
 * Whether a topic may hold one more message in memory. Half of the places are kept for all topics in equal shares, so that a topic that has become slow
 * cannot take those of the others; the other half goes to whoever comes first. Each topic may hold at least one.
 * @param maxInMemory places of all topics together
 * @param held messages in memory by topic, of every topic that is handled
 */
export function mayHold(topic: string, maxInMemory: number, held: ReadonlyMap<string, number>): boolean {
  const share = Math.max(1, Math.floor(maxInMemory / (2 * held.size)));
  const mine = held.get(topic) ?? 0;
  if (mine < share) return true;
  let taken = 0;
  for (const [name, count] of held) taken += name === topic ? count : Math.max(count, share);
  return taken < maxInMemory;
}
