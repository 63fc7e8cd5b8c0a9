import { createLog } from '@tpc/platform';
import { afterEach, expect, it, vi } from 'vitest';
import { FIRST_LINK_MS, watchBrokerLink } from './broker-link.ts';

const log = createLog({ service: 'test', level: 'silent', format: 'json' });

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

it('tells whether the broker is there at start and at each change, once', async () => {
  const state = { connected: false, error: 'away', since: 0 };
  const seen: boolean[] = [];
  const link = watchBrokerLink({ broker: { state: () => state }, log, onChange: (connected) => seen.push(connected) });
  expect(seen).toEqual([false]);
  state.connected = true;
  await vi.waitFor(() => expect(seen).toEqual([false, true]));
  state.connected = false;
  await vi.waitFor(() => expect(seen).toEqual([false, true, false]));
  await link.stop();
});

it.each([
  [true, 0],
  [false, 1],
])('warns once when the broker is not there some seconds after the start (there: %s)', async (connected, warnings) => {
  vi.useFakeTimers();
  const warn = vi.spyOn(log, 'warn');
  const link = watchBrokerLink({ broker: { state: () => ({ connected, error: 'away', since: 0 }) }, log, onChange: () => undefined });
  vi.advanceTimersByTime(FIRST_LINK_MS * 3);
  expect(warn).toHaveBeenCalledTimes(warnings);
  await link.stop();
});
