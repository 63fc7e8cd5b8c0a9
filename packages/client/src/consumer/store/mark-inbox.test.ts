import { inTransaction } from '@tpc/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { STORES, type TestStore } from '../../../test/stores.ts';
import { migrateClientStore } from '../../migrations/index.ts';
import type { ClaimedRow } from '../domain/inbox-row.ts';
import { openByMark } from './mark-inbox.ts';

const GROUP = 'CID_MARK';
const REPORT_AFTER_MS = 10_000;

describe.each(STORES)('when a marked row is due to be reported, on %s', (_name, open) => {
  let store: TestStore;
  let now: number;
  beforeEach(async () => {
    store = await open();
    await migrateClientStore(store.knex);
    now = Date.now();
  });
  afterEach(() => store.drop());

  async function dueAfterMark(reportDueAt: number | null): Promise<number> {
    const key = { consumer_group: GROUP, message_key: 'k1', generation: 1 };
    await store.knex('tpc_inbox').insert({ ...key, state: 10, claim: 'token', received_at: now, report_due_at: reportDueAt });
    const row = { messageKey: 'k1', generation: 1, claim: 'token' } as ClaimedRow;
    await inTransaction(store.knex, async () => undefined, openByMark(store.knex, GROUP, [row], REPORT_AFTER_MS));
    const [{ state, report_due_at }] = await store.knex('tpc_inbox').where(key).select('state', 'report_due_at');
    expect(state).toBe(30);
    return Number(report_due_at);
  }

  it('it stays at an earlier time: the index is not changed', async () => {
    expect(await dueAfterMark(now + 5_000)).toBe(now + 5_000);
  });

  it('it comes forward from a later time, as of a receive that TPC has refused', async () => {
    const due = await dueAfterMark(now + 600_000);

    expect(due).toBeGreaterThanOrEqual(now + REPORT_AFTER_MS - 1_000);
    expect(due).toBeLessThan(now + 300_000);
  });

  it('it is set where the receive has been heard already', async () => {
    expect(await dueAfterMark(null)).toBeGreaterThanOrEqual(now + REPORT_AFTER_MS - 1_000);
  });
});
