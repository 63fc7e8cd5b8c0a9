import { expect, it } from 'vitest';
import { until } from './until.ts';

it('answers what the condition does as soon as it holds, and takes an error as not yet', async () => {
  const answers = [() => undefined, () => Promise.reject(new Error('away')), () => 7];
  expect(await until('an answer', () => answers.shift()?.())).toBe(7);
});

it('names what it waited for and what it saw last', async () => {
  await expect(until('three', async () => ({ count: 2 }).count === 3, 1)).rejects.toThrow('waited 1 ms for: three; seen last: false');
  await expect(until(() => [].at(0), 1)).rejects.toThrow('waited 1 ms for: () => [].at(0); seen last: undefined');
  const away = new Error('no connection');
  await expect(until('an answer', () => Promise.reject(away), 1)).rejects.toMatchObject({
    message: expect.stringContaining('no connection'),
    cause: away,
  });
});
