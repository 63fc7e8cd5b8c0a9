import { expect, it } from 'vitest';
import { durationMs, orAborted, pause, secondsAndNanos, toDuration, withDeadline } from './time.ts';

const never = () => new Promise<string>(() => undefined);

const LONG_MS = 3_600_000;

it('answers as the work does, where it is done in time', async () => {
  expect(await withDeadline(Promise.resolve('done'), LONG_MS)).toBe('done');
  await expect(withDeadline(Promise.reject(new Error('failed')), LONG_MS)).rejects.toThrow('failed');
});

it('waits no longer than its time, and answers or throws then as it was told', async () => {
  expect(await withDeadline(never(), 1)).toBeUndefined();
  expect(await withDeadline(never(), -1, () => 'late')).toBe('late');
  const late = () => {
    throw new Error('too slow');
  };
  await expect(withDeadline(never(), 1, late)).rejects.toThrow('too slow');
});

it('lets a failure after its time be, and calls nothing late where the work was done', async () => {
  const work = Promise.withResolvers<string>();
  expect(await withDeadline(work.promise, 0, () => 'late')).toBe('late');
  work.reject(new Error('too late'));
  const answered = withDeadline(Promise.resolve('done'), 0, () => expect.unreachable());
  expect(await answered).toBe('done');
  await new Promise(setImmediate);
});

it('pauses until the signal at most, and never rejects', async () => {
  const controller = new AbortController();
  const paused = pause(LONG_MS, controller.signal);
  controller.abort();
  await paused;
  await pause(LONG_MS, controller.signal);
  await pause(1);
});

it('answers as the work does, where no signal comes', async () => {
  const { signal } = new AbortController();
  expect(await orAborted(Promise.resolve('done'), signal)).toBe('done');
  await expect(orAborted(Promise.reject(new Error('failed')), signal)).rejects.toThrow('failed');
});

it('waits no longer than until the signal, and for nothing after it', async () => {
  const controller = new AbortController();
  const waiting = orAborted(never(), controller.signal);
  controller.abort();
  expect(await waiting).toBeUndefined();
  expect(await orAborted(Promise.reject(new Error('too late')), controller.signal)).toBeUndefined();
});

it.each([0, 1, 999, 1_000, 86_400_123, 0.25])('writes %d ms as a duration and reads it again', (ms) => {
  expect(durationMs(toDuration(ms))).toBe(ms);
});

it('splits a time into whole seconds and whole nanoseconds', () => {
  expect(secondsAndNanos(1_234.567_891_2)).toEqual({ seconds: 1, nanos: 234_567_891 });
  expect(secondsAndNanos(1_999.999_999_9)).toEqual({ seconds: 1, nanos: 999_999_999 });
  expect(durationMs(undefined)).toBeUndefined();
});
