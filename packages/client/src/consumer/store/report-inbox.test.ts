import type { Knex } from 'knex';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GROUP, storeAndDie, TestBed } from '../../../test/consumer-kit.ts';
import { MARIADBS } from '../../../test/stores.ts';
import { ReportKind } from '../domain/states.ts';
import { markRefused, markReported } from './report-inbox.ts';

describe.each(MARIADBS)('what TPC has answered is noted, on %s', (_name, open) => {
  let bed: TestBed;
  let handler: Knex.Transaction;
  beforeEach(async () => {
    bed = await TestBed.open(open);
    await storeAndDie(bed.store.knex, ['a', 'b', 'c'], 60_000);
    // A handler that runs holds its row.
    handler = await bed.store.second().transaction({ isolationLevel: 'read committed' });
    await handler('tpc_inbox').where({ consumer_group: GROUP, message_key: 'b', generation: 1 }).update({ attempts: 1 });
  });
  afterEach(async () => {
    await handler.rollback();
    await bed.close();
  });

  const keys = ['a', 'b', 'c'].map((messageKey) => ({ messageKey, generation: 1 }));
  const heard = async () => (await bed.store.knex('tpc_inbox').where({ reported_kind: ReportKind.RECEIVED }).pluck('message_key')).sort();
  const attempts = async () => bed.store.knex('tpc_inbox').where('report_attempts', '>', 0).orderBy('message_key').pluck('message_key');

  it('of all rows but those that a handler holds, which are reported again; it waits for none', async () => {
    await markReported(bed.store.knex, GROUP, ReportKind.RECEIVED, keys);
    expect(await heard()).toEqual(['a', 'c']);
    await handler.rollback();
    await markReported(bed.store.knex, GROUP, ReportKind.RECEIVED, keys);
    expect(await heard()).toEqual(['a', 'b', 'c']);
    expect((await bed.inbox('b'))?.report_due_at).toBeNull();
  });

  it('likewise where TPC has refused', async () => {
    await markRefused(bed.store.knex, GROUP, ReportKind.RECEIVED, keys, 1_000);
    expect(await attempts()).toEqual(['a', 'c']);
  });
});
