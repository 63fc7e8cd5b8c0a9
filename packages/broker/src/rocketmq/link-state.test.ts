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
    link.up('a');
    link.up('a');
    now = 3_000;
    link.down('a', 'refused');
    now = 4_000;
    link.down('a', 'still refused');
    expect(changes).toEqual([
      { connected: true, error: '', since: 2_000 },
      { connected: false, error: 'a: refused', since: 3_000 },
    ]);
    expect(link.snapshot()).toEqual({ connected: false, error: 'a: still refused', since: 3_000 });
    expect(link.downForMs()).toBe(1_000);
  });

  it('wakes who waits for the loss', async () => {
    const link = new LinkState(() => undefined);
    await link.whenLost();
    link.up('a');
    const lost = link.whenLost().then(() => 'lost');
    link.down('a', 'gone');
    expect(await lost).toBe('lost');
  });

  it('is up while one of several brokers answers', () => {
    const link = new LinkState(() => undefined);
    link.up('a');
    link.up('b');
    link.down('a', 'gone');
    link.down('left long ago', 'gone');
    expect(link.snapshot().connected).toBe(true);
    link.down('b', 'gone');
    expect(link.snapshot()).toMatchObject({ connected: false, error: 'b: gone' });
  });

  it('is lost when the only other address that ever answered has not for a while, as the one that only routes are asked of', () => {
    let now = 1_000;
    const link = new LinkState(
      () => undefined,
      () => now,
    );
    link.up('entry');
    link.up('broker');
    now = 12_000;
    link.down('broker', 'gone');
    expect(link.snapshot().connected).toBe(true);
    now = 17_000;
    link.down('broker', 'still gone');
    expect(link.snapshot()).toMatchObject({ connected: false, error: 'broker: still gone' });
  });
});
