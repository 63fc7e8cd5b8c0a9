import { describe, expect, it } from 'vitest';
import { isTag, parseTagExpression } from './tag-filter.ts';

describe('tag expression', () => {
  it.each(['*', '', ' * '])('takes every message for %j', (expression) => {
    const filter = parseTagExpression(expression);
    expect(filter?.('ANY')).toBe(true);
    expect(filter?.('')).toBe(true);
  });

  it('takes exactly the tags that it lists', () => {
    const filter = parseTagExpression('A||B || C');
    expect(['A', 'B', 'C', 'D', '', 'a', 'A||B'].map((tag) => filter?.(tag))).toEqual([true, true, true, false, false, false, false]);
  });

  it.each(['A||', '||', 'A|B', '|'])('refuses %j', (expression) => {
    expect(parseTagExpression(expression)).toBeUndefined();
  });

  it('knows that a tag has no bar and is not blank', () => {
    expect(['A', 'A B', 'A|B', '', ' '].map(isTag)).toEqual([true, true, false, false, false]);
  });
});
