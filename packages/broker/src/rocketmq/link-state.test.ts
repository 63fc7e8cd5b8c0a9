import { describe, expect, it } from 'vitest';
import type { BrokerLinkState } from '../port.ts';
import { LinkState } from './link-state.ts';

describe('link state', () => {
  it('tells each change once, with its moment and reason', () => {
    const changes: BrokerLinkState[] = [];
    let now = 1_000;
    const link = new LinkState(
      (state) => changes.push(state),
      () => now,
    );
    expect(link.snapshot()).toEqual({ connected: false, error: 'not connected yet', since: 1_000 });
    now = 2_000;
    link.up();
    link.up();
    now = 3_000;
    link.down('refused');
    now = 4_000;
    link.down('still refused');
    expect(changes).toEqual([
      { connected: true, error: '', since: 2_000 },
      { connected: false, error: 'refused', since: 3_000 },
    ]);
    expect(link.snapshot()).toEqual({ connected: false, error: 'still refused', since: 3_000 });
    expect(link.downForMs()).toBe(1_000);
  });

  it('wakes who waits for the loss', async () => {
    const link = new LinkState(() => undefined);
    await link.whenDown();
    link.up();
    const lost = link.whenDown().then(() => 'lost');
    link.down('gone');
    expect(await lost).toBe('lost');
  });
});
