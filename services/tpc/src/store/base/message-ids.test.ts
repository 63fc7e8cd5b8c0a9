import { expect, test } from 'vitest';
import { MessageIds } from './message-ids.ts';

const noted = (ids: MessageIds, from: number, to: number) => {
  for (let id = from; id <= to; id++) ids.note(`key-${id}`, id);
};

test('the latest thousands are known, and the newer id of a key counts', () => {
  const ids = new MessageIds();
  noted(ids, 1, 50_000);
  ids.note('key-45000', 7);

  expect(ids.get('key-50000')).toBe(50_000);
  expect(ids.get('key-41000')).toBe(41_000);
  expect(ids.get('key-45000')).toBe(7);
});

test('no more ids are remembered than there is room for', () => {
  const ids = new MessageIds();
  for (let id = 1; id <= 20_001; id++) ids.note(`k${id}`, id);
  expect([ids.get('k1'), ids.get('k2'), ids.get('k20001')]).toEqual([undefined, 2, 20_001]);
});

test('what is older is forgotten: memory stays bounded', () => {
  const ids = new MessageIds();
  noted(ids, 1, 50_000);

  expect(ids.get('key-1')).toBeUndefined();
  expect(ids.get('key-29000')).toBeUndefined();
});

test('a key that is forgotten is forgotten however long ago it was noted', () => {
  const ids = new MessageIds();
  noted(ids, 1, 15_000);
  ids.forget('key-9000');
  ids.forget('key-14000');

  expect(ids.get('key-9000')).toBeUndefined();
  expect(ids.get('key-14000')).toBeUndefined();
});
