import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../test/support/until.ts';
import { GROUP, TestBed, TOPIC } from '../../test/consumer-kit.ts';
import { MARIADB, STORES } from '../../test/stores.ts';
import { EffectState } from './domain/states.ts';
import { claimIsolatedRow, findIsolatedRows } from './isolated/claim-isolated.ts';

const LEASE_MS = 400;
const TIMEOUT_MS = 300;

/** The whole process stands still, as under a frozen machine or an endless computation. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

describe.each(STORES)('a process that stands still on %s', (_name, makeStore) => {
  let bed: TestBed;
  beforeEach(async () => {
    bed = await TestBed.open(makeStore);
  });
  afterEach(() => bed.close());

  it.each([
    ['as it plans', /insert into tpc_inbox_effect/i],
    ['as it claims a further effect', /update tpc_inbox_effect set claim = \?, lease_until/i],
  ])('does not act on an effect whose lease ran out %s, and gives it back', async (_when, statement) => {
    let stalls = 0;
    const acted: string[] = [];
    bed.store.knex.on('query-response', (_response: unknown, { sql }: { sql: string }) => {
      // Only a claim: giving back names claim = NULL.
      if (statement.test(sql) && stalls++ === 0) standStill(LEASE_MS + 50);
    });
    await bed.run({
      effects: () => [{ key: 'a' }, { key: 'b' }],
      run: async (effect, _message, { attempt }) => {
        acted.push(`${effect.key}${attempt}`);
        return {};
      },
      timeoutMs: TIMEOUT_MS,
      leaseMs: LEASE_MS,
      onUncertain: 'hold',
      concurrency: 1,
    });
    bed.broker.deliver({ messageKey: 'still', topic: TOPIC, body: 'x' });
    await until(async () => (await bed.inbox('still'))?.state === 30);
    expect(stalls).toBeGreaterThan(0);
    const late = /insert/.test(statement.source) ? 'a' : 'b';
    // The first claim of the late one was counted and not acted upon. On a busy machine the next may run out as well.
    expect(acted.join()).toMatch(new RegExp(`${late}[2-9]`));
    expect(acted).not.toContain(`${late}1`);
    expect((await bed.effects('still')).map(({ state }) => state)).toEqual([EffectState.DONE, EffectState.DONE]);
  });
});

describe('a handler that runs for longer than the lease, on MariaDB', () => {
  it('is no lost process: its row is left to it', async () => {
    const bed = await TestBed.open(MARIADB[1]);
    try {
      const { knex } = bed.store;
      const row = { consumer_group: GROUP, message_key: 'slow', generation: 1, topic: TOPIC, claim: 'a token', due_at: 1, received_at: 1, state: 10 };
      await knex('tpc_inbox').insert(row);
      const claim = async () => {
        const found = await findIsolatedRows(bed.store.second(), GROUP, [TOPIC]);
        expect(found).toEqual([{ messageKey: 'slow', generation: 1, loneClaims: 0 }]);
        return claimIsolatedRow(bed.store.second(), found, { group: GROUP, leaseMs: 1_000, poisonAfter: 3, reportAfterMs: 1_000 });
      };
      const handling = await knex.transaction();
      await handling('tpc_inbox').update({ state: 30, claim: null, due_at: null });
      expect(await claim()).toBeUndefined();
      await handling.rollback();
      expect(await claim()).toMatchObject({ kind: 'isolated', row: { messageKey: 'slow' } });
    } finally {
      await bed.close();
    }
  });
});
