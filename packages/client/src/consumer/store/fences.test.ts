import { inTransaction } from '@tpc/core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { GROUP, storeAndDie, TestBed } from '../../../test/consumer-kit.ts';
import { STORES } from '../../../test/stores.ts';
import type { ClaimedRow } from '../domain/inbox-row.ts';
import { claimEffect, type EffectRow, insertEffects, retryEffect } from './effects.ts';
import { markDead, markPlanned, markRetry, openByMark, releaseRows, renewLease } from './mark-inbox.ts';

const LEASE_MS = 60_000;
const KEY = { messageKey: 'k', generation: 1 };

describe.each(STORES)('a process whose message another has claimed meanwhile, on %s', (_name, open) => {
  let bed: TestBed;
  let stale: ClaimedRow;
  beforeAll(async () => {
    bed = await TestBed.open(open);
  });
  afterAll(() => bed.close());
  beforeEach(async () => {
    await bed.store.knex('tpc_inbox').delete();
    await bed.store.knex('tpc_inbox_effect').delete();
    [stale] = (await storeAndDie(bed.store.knex, ['k'], LEASE_MS)) as [ClaimedRow];
    await bed.store.knex('tpc_inbox').update({ claim: 'of another' });
  });

  const row = () => bed.inbox('k');
  const within = <T>(work: (tx: Parameters<Parameters<typeof inTransaction<T>>[1]>[0]) => Promise<T>) => inTransaction(bed.store.knex, work);

  it.each<[string, () => Promise<unknown>]>([
    ['give it back for a further try', () => markRetry(bed.store.knex, GROUP, stale, { waitMs: 0, error: 'late' })],
    ['end it', () => markDead(bed.store.knex, GROUP, stale, { reason: 'LATE', detail: '', reportAfterMs: 0 })],
    ['release it', () => releaseRows(bed.store.knex, GROUP, [stale])],
    ['renew its lease', () => renewLease(bed.store.knex, GROUP, stale, 1)],
    ['plan its effects', () => within((tx) => markPlanned(tx, GROUP, stale, { openEffects: 3, leaseMs: 1 }))],
    ['consume it', () => inTransaction(bed.store.knex, async () => undefined, openByMark(bed.store.knex, GROUP, [stale], 0)).catch(() => false)],
  ])('cannot %s', async (_what, act) => {
    const before = await row();
    expect(await act()).toBeFalsy();
    expect(await row()).toEqual(before);
  });

  it('cannot give back an effect of it, nor claim it a second time within its lease', async () => {
    await within((tx) => insertEffects(tx, GROUP, KEY, [{ key: 'a' }], { token: 'of another', leaseMs: LEASE_MS }));
    const before = await bed.effects('k');
    await retryEffect(bed.store.knex, GROUP, KEY, { effectKey: 'a', token: 'stale' }, { waitMs: 0, error: 'late' });
    const read = { effectKey: 'a', attempts: 1 } as EffectRow;
    expect(await claimEffect(bed.store.knex, GROUP, KEY, read, { token: 'stale', leaseMs: 1 })).toBe(false);
    expect(await bed.effects('k')).toEqual(before);
    await retryEffect(bed.store.knex, GROUP, KEY, { effectKey: 'a', token: 'of another' }, { waitMs: 0, error: 'soon' });
    expect(await bed.effects('k')).toMatchObject([{ claim: null, last_error: 'soon' }]);
  });
});
