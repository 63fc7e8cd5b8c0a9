import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../../test/support/until.ts';
import { GROUP, storeAndDie, TestBed, TOPIC, takeEffect } from '../../../test/consumer-kit.ts';
import { STORES } from '../../../test/stores.ts';
import { settingsOf } from '../defaults.ts';
import { ReportKind } from '../domain/states.ts';
import type { ConsumerOptions, Handler } from '../types.ts';
import { farDueLook } from './pull-in-far-due.ts';

const DAYS_MS = 10 * 86_400_000;
const LEASE_MS = 60_000;
/** The longest waits of these options, and less than the minute that is added to them, milliseconds. */
const LEGAL_MS = { claimed: LEASE_MS + 30_000, waits: 12 * 60_000 + 30_000, report: 10 * 60_000 + 30_000 };

const handler: Handler = { handle: (tx, message) => takeEffect(tx, message) };
const mailer: Handler = {
  effects: () => [{ key: 'a' }],
  run: async () => ({}),
  timeoutMs: 5_000,
  leaseMs: 100_000,
  onUncertain: 'repeat',
  concurrency: 1,
};

describe.each(STORES)("the inbox, after its database's clock was set back, on %s", (_name, makeStore) => {
  let bed: TestBed;
  beforeEach(async () => {
    bed = await TestBed.open(makeStore);
    await storeAndDie(bed.store.knex, ['claimed', 'waits'], LEASE_MS);
    await rowOf('waits').update({ claim: null });
  });
  afterEach(() => bed.close());

  const rowOf = (messageKey: string) => bed.store.knex('tpc_inbox').where({ message_key: messageKey });
  /** Due so long from now. */
  const dueIn = async (messageKey: string, ms: number, column = 'due_at') => rowOf(messageKey).update({ [column]: Date.now() + ms });
  const waitOf = async (messageKey: string, column = 'due_at') => Number((await bed.inbox(messageKey))?.[column]) - Date.now();
  const lookFor = (of: Handler = handler) => {
    const options = { knex: bed.store.knex, group: GROUP, subscriptions: [{ topic: TOPIC, tags: [] }], handlers: { [TOPIC]: of }, leaseMs: LEASE_MS };
    return farDueLook(settingsOf(options as unknown as ConsumerOptions));
  };
  const pullIn = (of?: Handler) => lookFor(of)();

  it('is worked off by a consumer that starts: what waits at once, reports too', async () => {
    for (const key of ['claimed', 'waits']) {
      await dueIn(key, DAYS_MS);
      await dueIn(key, DAYS_MS, 'report_due_at');
    }
    await bed.run(handler);
    await until(async () => (await bed.inbox('waits'))?.state === 30);
    await until(() => bed.heard('received').some(({ messageKey }) => messageKey === 'claimed'));
    expect(await bed.took('waits')).toBe(1);
    expect(await bed.inbox('claimed')).toMatchObject({ state: 10, claim: 'dead-claimed' });
    await rowOf('claimed').update({ due_at: 1 });
    await until(async () => (await bed.inbox('claimed'))?.state === 30);
  });

  it('keeps the lease of what is claimed, and leaves the rest as it is', async () => {
    await dueIn('claimed', DAYS_MS);
    const before = await bed.inbox('waits');
    await pullIn();
    expect(await waitOf('claimed')).toBeGreaterThan(LEASE_MS / 2);
    expect(await waitOf('claimed')).toBeLessThanOrEqual(LEASE_MS);
    expect(await bed.inbox('claimed')).toMatchObject({ claim: 'dead-claimed' });
    expect(await bed.inbox('waits')).toEqual(before);
  });

  it('leaves alone what is as far ahead as a wait may be', async () => {
    await dueIn('claimed', LEGAL_MS.claimed);
    await dueIn('waits', LEGAL_MS.waits);
    await dueIn('waits', LEGAL_MS.report, 'report_due_at');
    const before = await bed.store.knex('tpc_inbox').orderBy('message_key');
    await pullIn();
    expect(await bed.store.knex('tpc_inbox').orderBy('message_key')).toEqual(before);
  });

  it('leaves a deferral of effects alone, which a handler may choose, but not a claim', async () => {
    for (const key of ['claimed', 'waits']) await dueIn(key, DAYS_MS);
    await pullIn(mailer);
    expect(await waitOf('waits')).toBeGreaterThan(DAYS_MS / 2);
    expect(await waitOf('claimed')).toBeGreaterThan(LEASE_MS);
    expect(await waitOf('claimed')).toBeLessThanOrEqual(200_000);
  });

  const plan = (messageKey: string, claim: string | null, leaseUntil: number) =>
    bed.store.knex('tpc_inbox_effect').insert({
      consumer_group: GROUP,
      message_key: messageKey,
      effect_key: 'a',
      state: 10,
      claim,
      lease_until: leaseUntil,
      created_at: 1,
    });

  it("runs effects again that a process has claimed and not settled, once their lease and its message's are over", async () => {
    await dueIn('claimed', DAYS_MS);
    await rowOf('claimed').update({ open_effects: 1 });
    await plan('claimed', 'dead', Date.now() + DAYS_MS);
    await pullIn(mailer);
    const [effect] = await bed.effects('claimed');
    expect(effect).toMatchObject({ claim: 'dead', state: 10 });
    expect(Number(effect?.lease_until) - Date.now()).toBeGreaterThan(60_000);
    expect(Number(effect?.lease_until) - Date.now()).toBeLessThanOrEqual(100_000);
    await rowOf('claimed').update({ due_at: 1 });
    await bed.store.knex('tpc_inbox_effect').update({ lease_until: 1 });
    await bed.run(mailer);
    await until(async () => (await bed.inbox('claimed'))?.state === 30);
  });

  it('ends all deferrals once when messages were received in the future, and no later one', async () => {
    await dueIn('waits', DAYS_MS);
    await rowOf('waits').update({ open_effects: 1, received_at: Date.now() + DAYS_MS });
    await plan('waits', null, Date.now() + DAYS_MS);
    const look = lookFor(mailer);
    await look();
    expect(await waitOf('waits')).toBeLessThanOrEqual(0);
    expect(Number((await bed.effects('waits'))[0]?.lease_until)).toBeLessThanOrEqual(Date.now());
    await dueIn('waits', DAYS_MS);
    await look();
    expect(await waitOf('waits')).toBeGreaterThan(DAYS_MS / 2);
    await bed.run(mailer);
    await until(async () => (await bed.inbox('waits'))?.state === 30);
  });

  it('gives settled rows no due time', async () => {
    await rowOf('waits').update({ state: 30, due_at: null, report_due_at: null, reported_kind: ReportKind.CONSUMED });
    await pullIn();
    expect(await bed.inbox('waits')).toMatchObject({ due_at: null, report_due_at: null });
  });
});
