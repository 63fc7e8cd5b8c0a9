import { describe, expect, it } from 'vitest';
import { createLeases, TOKEN_WINDOW_MS } from './leases.ts';

describe('claims', () => {
  it('end a lease after they are made, on the clock of the process', () => {
    const newClaim = createLeases(30_000, () => 1_000);
    expect(newClaim()).toMatchObject({ leaseMs: 30_000, endsAt: 31_000 });
  });

  it('share a token for a moment only, far shorter than a lease', () => {
    let now = 0;
    const newClaim = createLeases(2_000, () => now);
    const first = newClaim();
    now = TOKEN_WINDOW_MS;
    expect(newClaim().token).toBe(first.token);
    now = TOKEN_WINDOW_MS + 1;
    expect(newClaim().token).not.toBe(first.token);
  });

  it('have tokens that SQL and JavaScript hold exactly', () => {
    let now = 0;
    const newClaim = createLeases(2_000, () => now);
    for (let index = 0; index < 1_000; index++) {
      now += 1_000;
      const { token } = newClaim();
      expect(Number.isSafeInteger(token) && token > 0).toBe(true);
    }
  });
});
