import { createLog } from '@tpc/platform';
import { expect, it, vi } from 'vitest';
import { watchBrokerLink } from './broker-link.ts';

it('tells whether the broker is there at start and at each change, once', async () => {
  const state = { connected: false, error: 'away', since: 0 };
  const seen: boolean[] = [];
  const log = createLog({ service: 'test', level: 'silent', format: 'json' });
  const warn = vi.spyOn(log, 'warn');
  const link = watchBrokerLink({ broker: { state: () => state }, log, onChange: (connected) => seen.push(connected) });
  expect(seen).toEqual([false]);
  expect(warn).toHaveBeenCalledTimes(1);
  state.connected = true;
  await vi.waitFor(() => expect(seen).toEqual([false, true]));
  state.connected = false;
  await vi.waitFor(() => expect(seen).toEqual([false, true, false]));
  await link.stop();
});
