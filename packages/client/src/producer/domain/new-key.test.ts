import { setTimeout as sleep } from 'node:timers/promises';
import { version } from 'uuid';
import { expect, test } from 'vitest';
import { newKey } from './new-key.ts';

test('keys are UUIDs of version 7, none twice', () => {
  const keys = Array.from({ length: 2_000 }, newKey);

  expect(new Set(keys).size).toBe(keys.length);
  expect(new Set(keys.map(version))).toEqual(new Set([7]));
});

test('no two keys share their random half: what is drawn at once is used once', () => {
  const halves = Array.from({ length: 2_000 }, () => newKey().slice(24));

  expect(new Set(halves).size).toBe(halves.length);
});

test('a later key stands behind an earlier one', async () => {
  const earlier = newKey();
  await sleep(2);

  expect(newKey() > earlier).toBe(true);
});
