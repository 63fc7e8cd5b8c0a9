import { expect, it } from 'vitest';
import { isOverlong } from './long-deadlines.ts';

it.each([
  ['3000m', false],
  ['2147483S', false],
  ['2147484S', true],
  ['596H', false],
  ['597H', true],
  ['99999999n', false],
  ['nonsense', false],
])('knows whether a timer can wait for %s', (timeout, overlong) => {
  expect(isOverlong(timeout)).toBe(overlong);
});
