/** What stands for every value beyond the limit. */
export const OTHER = 'OTHER';

/**
 * Keeps a label's values few: the first `most` different ones stay as they are, every later one becomes OTHER. For values that others choose (topics,
 * groups, reasons of failures): a careless one that puts an id into them must not make a series of each message.
 */
export function createLabelLimit(most: number): (value: string) => string {
  const known = new Set<string>();
  return (value) => {
    if (known.has(value)) return value;
    if (known.size >= most) return OTHER;
    known.add(value);
    return value;
  };
}

/** Topics, consumer groups or producer groups that have series of their own. */
export const MAX_NAMES = 200;
/** Reasons of dead letters that have series of their own. */
export const MAX_REASONS = 50;
