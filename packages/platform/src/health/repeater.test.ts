import { expect, it, vi } from 'vitest';
import { createLog } from '../log/log.ts';
import { createRepeater } from './repeater.ts';

const log = createLog({ service: 'test', level: 'silent', format: 'json' });
const NEVER_AGAIN_MS = 3_600_000;

it('refuses a pause that cannot work', () => {
  expect(() => createRepeater({ name: 'x', everyMs: 0, pass: async () => {}, log })).toThrow(RangeError);
});

it('looks at once, and stops at once while it waits', async () => {
  const pass = vi.fn(async () => {});
  const repeater = createRepeater({ name: 'x', everyMs: NEVER_AGAIN_MS, pass, log });
  repeater.start();
  repeater.start();
  await vi.waitFor(() => expect(pass).toHaveBeenCalledTimes(1));
  await Promise.all([repeater.stop(), repeater.stop()]);
  expect(pass).toHaveBeenCalledTimes(1);
});

it('goes on after a pass that failed', async () => {
  const pass = vi.fn(async () => {
    throw new Error('away');
  });
  const repeater = createRepeater({ name: 'x', everyMs: 1, pass, log });
  repeater.start();
  await vi.waitFor(() => expect(pass.mock.calls.length).toBeGreaterThan(2));
  await repeater.stop();
});

it('can be started again after its stop, and runs no pass in between', async () => {
  const pass = vi.fn(async () => {});
  const repeater = createRepeater({ name: 'x', everyMs: 1, pass, log });
  for (let round = 0; round < 20; round++) {
    repeater.start();
    await repeater.stop();
  }
  const before = pass.mock.calls.length;
  await new Promise(setImmediate);
  expect(pass.mock.calls.length).toBe(before);
  repeater.start();
  await vi.waitFor(() => expect(pass.mock.calls.length).toBeGreaterThan(before));
  await repeater.stop();
});
