import { expect, it } from 'vitest';
import { roundsByKey } from './insert-messages.ts';

it('a batch with keys that come again is split so that no statement meets its own duplicate', () => {
  const items = ['a', 'b', 'a', 'a', 'c', 'b'].map((messageKey) => ({ messageKey }));
  const rounds = roundsByKey(items).map((round) => round.map(({ item, index }) => `${item.messageKey}${index}`));
  expect(rounds).toEqual([['a0', 'b1', 'c4'], ['a2', 'b5'], ['a3']]);
  expect(roundsByKey([])).toEqual([]);
});
