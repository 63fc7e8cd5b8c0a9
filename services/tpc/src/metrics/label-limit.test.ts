import { expect, it } from 'vitest';
import { createLabelLimit, OTHER } from './label-limit.ts';

it('keeps the first values as they are, for ever, and puts all later ones together', () => {
  const limit = createLabelLimit(2);
  expect(['a', 'b', 'c', 'a', 'd', 'b'].map(limit)).toEqual(['a', 'b', OTHER, 'a', OTHER, 'b']);
});
