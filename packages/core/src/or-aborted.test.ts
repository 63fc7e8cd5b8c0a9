import { expect, it } from 'vitest';
import { orAborted } from './or-aborted.ts';

const never = () => new Promise<string>(() => undefined);

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
