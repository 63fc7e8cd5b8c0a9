import type { Knex } from 'knex';
import { expect, it } from 'vitest';
import { GROUP, TestBed, TOPIC } from '../../../test/consumer-kit.ts';
import { MARIADB } from '../../../test/stores.ts';
import { farDueLook } from '../clock/pull-in-far-due.ts';
import { settingsOf } from '../defaults.ts';
import { findIsolatedRows } from '../isolated/claim-isolated.ts';
import type { ConsumerOptions } from '../types.ts';
import { claimDueRows } from './claim-inbox.ts';
import { readInboxBacklog } from './read-backlog.ts';

const BACKLOG = 2_000;
const SLOW = 'SLOW_TOPIC';

/** How many index entries and rows the server reads for `work`, all sessions of the pool together: it has one. */
async function reads(knex: Knex, work: () => Promise<unknown>): Promise<number> {
  const count = async () => {
    const [rows] = (await knex.raw("SHOW SESSION STATUS LIKE 'Handler_read%'")) as [{ Variable_name: string; Value: string }[]];
    return rows.filter(({ Variable_name }) => /key|next|prev|rnd/.test(Variable_name)).reduce((sum, { Value }) => sum + Number(Value), 0);
  };
  const before = await count();
  const idle = (await count()) - before;
  const start = await count();
  await work();
  return (await count()) - start - idle;
}

it('looks of the inbox read what is due, never the backlog or what is done', async () => {
  const bed = await TestBed.open(MARIADB[1]);
  try {
    const { knex } = bed.store;
    const numbers = `JSON_TABLE('${JSON.stringify([...Array(BACKLOG).keys()])}', '$[*]' COLUMNS (n INT PATH '$')) AS numbers`;
    const insert = (name: string, topic: string, state: number, due: string, claim: string) =>
      knex.raw(`INSERT INTO tpc_inbox (consumer_group, message_key, topic, state, due_at, claim, received_at)
SELECT '${GROUP}', CONCAT('${name}', n), '${topic}', ${state}, ${due}, ${claim}, 1 FROM ${numbers}`);
    await insert('waits', SLOW, 10, '1', 'NULL');
    await insert('done', TOPIC, 30, 'NULL', 'NULL');
    await knex('tpc_inbox').insert({ consumer_group: GROUP, message_key: 'lost', topic: TOPIC, state: 10, due_at: 2, claim: 'x', received_at: 1 });
    await knex('tpc_inbox').insert({ consumer_group: GROUP, message_key: 'due', topic: TOPIC, state: 10, due_at: 2, received_at: 1 });
    await knex.raw('ANALYZE TABLE tpc_inbox');
    const one = bed.store.second();
    one.client.pool.max = 1;
    // The first transaction of a session also asks for its settings, which MySQL counts as reads.
    await findIsolatedRows(one, GROUP, [TOPIC]);
    expect(await reads(one, async () => expect(await findIsolatedRows(one, GROUP, [TOPIC, SLOW])).toHaveLength(1))).toBeLessThan(20);
    const far = {
      knex: one,
      group: GROUP,
      subscriptions: [TOPIC, SLOW].map((topic) => ({ topic, tags: [] })),
      handlers: { [TOPIC]: {}, [SLOW]: {} },
    };
    const settings = settingsOf(far as unknown as ConsumerOptions);
    expect(await reads(one, farDueLook(settings))).toBeLessThan(20);
    const claim = () => claimDueRows(one, { group: GROUP, topic: TOPIC, limit: 64, leaseMs: 60_000 });
    expect(await reads(one, async () => expect(await claim()).toMatchObject([{ messageKey: 'due' }]))).toBeLessThan(30);
    expect(await reads(one, claim)).toBeLessThan(30);
    expect(await reads(one, async () => expect(await readInboxBacklog(one, GROUP, [TOPIC])).toMatchObject({ unfinished: 2 }))).toBeLessThan(20);
  } finally {
    await bed.close();
  }
});
