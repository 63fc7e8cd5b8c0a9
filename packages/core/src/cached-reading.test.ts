import { expect, it, vi } from 'vitest';
import { cachedReading } from './cached-reading.ts';

const FRESH_MS = 100;

/** A reading that the test answers, on a clock that the test moves. */
function make() {
  const clock = { now: 0 };
  const questions: PromiseWithResolvers<string>[] = [];
  const read = vi.fn(() => {
    const question = Promise.withResolvers<string>();
    questions.push(question);
    return question.promise;
  });
  return { clock, questions, read, ask: cachedReading(read, { freshMs: FRESH_MS, patienceMs: 1, now: () => clock.now }) };
}

async function answered() {
  const parts = make();
  const first = parts.ask();
  parts.questions[0]?.resolve('first');
  expect(await first).toBe('first');
  return parts;
}

it('reads once for all who ask while it is fresh, and again when it is old', async () => {
  const { ask, clock, questions, read } = await answered();
  clock.now = FRESH_MS - 1;
  expect(await Promise.all([ask(), ask()])).toEqual(['first', 'first']);
  expect(read).toHaveBeenCalledTimes(1);
  clock.now = FRESH_MS;
  const again = [ask(), ask()];
  questions[1]?.resolve('second');
  expect(await Promise.all(again)).toEqual(['second', 'second']);
  expect(read).toHaveBeenCalledTimes(2);
});

it('rests twenty times as long as a reading took', async () => {
  const { ask, clock, questions, read } = make();
  const first = ask();
  clock.now = 1_000;
  questions[0]?.resolve('slow');
  expect(await first).toBe('slow');
  clock.now = 20_999;
  expect(await ask()).toBe('slow');
  expect(read).toHaveBeenCalledTimes(1);
});

it('gives the last value while a new reading fails or takes long, and nothing once that is stale', async () => {
  const { ask, clock, questions, read } = await answered();
  clock.now = FRESH_MS;
  const failing = ask();
  questions[1]?.reject(new Error('away'));
  expect(await failing).toBe('first');
  expect(await ask()).toBe('first');
  expect(await ask()).toBe('first');
  expect(read).toHaveBeenCalledTimes(3);
  clock.now = FRESH_MS * 3;
  expect(await ask()).toBeUndefined();
});

it('gives nothing when the first reading fails, and asks again the next time', async () => {
  const { ask, questions } = make();
  const first = ask();
  questions[0]?.reject(new Error('away'));
  expect(await first).toBeUndefined();
  const second = ask();
  questions[1]?.resolve('there');
  expect(await second).toBe('there');
});
