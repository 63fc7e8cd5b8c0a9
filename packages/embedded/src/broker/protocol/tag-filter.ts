/** Decides by its tag whether a group takes a message. */
export type TagFilter = (tag: string) => boolean;

/**
 * Reads RocketMQ's tag expression: `*` or nothing takes everything, `a || b` takes these tags.
 * @returns undefined when it is no such expression
 */
export function parseTagExpression(expression: string): TagFilter | undefined {
  const trimmed = expression.trim();
  if (trimmed === '' || trimmed === '*') return () => true;
  const tags = new Set(trimmed.split('||').map((tag) => tag.trim()));
  for (const tag of tags) if (!isTag(tag)) return undefined;
  return (tag) => tags.has(tag);
}

/** A tag may hold anything but the bar that separates tags in an expression, and is not blank. */
export function isTag(tag: string): boolean {
  return tag.trim() !== '' && !tag.includes('|');
}
