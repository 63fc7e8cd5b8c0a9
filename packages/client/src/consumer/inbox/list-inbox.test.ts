import type { Knex } from 'knex';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MARIADB, STORES, type TestStore } from '../../../test/stores.ts';
import { migrateClientStore } from '../../migrations/index.ts';
import { type ListInboxOptions, listInbox } from './list-inbox.ts';

const GROUP = 'CID_LIST';
const ROWS = 90;

/** Several rows of one millisecond, as a batch leaves them, and two generations of some. */
const FACTS = Array.from({ length: ROWS }, (_, n) => ({
  consumer_group: GROUP,
  message_key: `k${String(n % 70).padStart(2, '0')}`,
  generation: n < 70 ? 1 : 2,
  topic: n % 7 === 0 ? 'T2' : 'T1',
  tag: n % 5 === 0 ? 'X' : '',
  state: n % 11 === 0 ? 50 : n % 3 === 0 ? 10 : 30,
  received_at: 1_000 + Math.floor(n / 12),
}));

type Fact = (typeof FACTS)[number];
const nameOf = ({ message_key, generation }: Pick<Fact, 'message_key' | 'generation'>) => `${message_key}#${generation}`;
const byNewest = (a: Fact, b: Fact) =>
  b.received_at - a.received_at || (a.message_key < b.message_key ? 1 : a.message_key > b.message_key ? -1 : b.generation - a.generation);

const FILTERS: Partial<ListInboxOptions>[] = [
  {},
  { topic: 'T2' },
  { tag: 'X' },
  { states: [50] },
  { topic: 'T1', tag: 'X', states: [10, 30] },
  { topic: 'NONE' },
];

describe.each(STORES)('the list of an inbox, on %s', (_name, open) => {
  let store: TestStore;
  beforeAll(async () => {
    store = await open();
    await migrateClientStore(store.knex);
    await store.knex('tpc_inbox').insert([...FACTS, ...FACTS.map((fact) => ({ ...fact, consumer_group: 'CID_OTHER' }))]);
  });
  afterAll(() => store.drop());

  it.each(FILTERS)('has each entry that passes %o once and newest first, however few a page looks at', async (filter) => {
    for (const lookAtMost of [1, 7, 25, 1_000]) {
      const names: string[] = [];
      let after: ListInboxOptions['after'];
      do {
        const page = await listInbox(store.knex, { group: GROUP, limit: 5, after, ...filter }, lookAtMost);
        names.push(...page.entries.map(({ messageKey, generation }) => nameOf({ message_key: messageKey, generation })));
        after = page.next;
      } while (after !== undefined);
      const { topic, tag, states } = filter;
      const expected = FACTS.filter((row) => (!topic || row.topic === topic) && (!tag || row.tag === tag) && (!states || states.includes(row.state)));
      expect([lookAtMost, names]).toEqual([lookAtMost, [...expected].sort(byNewest).map(nameOf)]);
    }
  });
});

it('reads as much for a page, however many entries there are and however few pass', async () => {
  const store = await MARIADB[1]();
  await migrateClientStore(store.knex);
  try {
    const numbers = `JSON_TABLE('${JSON.stringify([...Array(5_000).keys()])}', '$[*]' COLUMNS (n INT PATH '$')) AS numbers`;
    await store.knex.raw(
      `INSERT INTO tpc_inbox (consumer_group, message_key, topic, state, received_at) SELECT '${GROUP}', CONCAT('k', n), 'T', 30, n FROM ${numbers}`,
    );
    await store.knex.raw('ANALYZE TABLE tpc_inbox');
    const one = store.second();
    one.client.pool.max = 1;
    let after: ListInboxOptions['after'];
    for (let page = 0; page < 3; page++) {
      const read = await reads(one, async () => {
        after = (await listInbox(one, { group: GROUP, limit: 20, after, states: [50] }, 100)).next;
      });
      expect(after).toMatchObject({ receivedAt: 5_000 - (page + 1) * 100 });
      expect(read).toBeLessThan(400);
    }
  } finally {
    await store.drop();
  }
});

/** Index entries and rows that the server reads for `work`, in a pool of one session. */
async function reads(knex: Knex, work: () => Promise<unknown>): Promise<number> {
  const count = async () => {
    const [rows] = (await knex.raw("SHOW SESSION STATUS LIKE 'Handler_read%'")) as [{ Value: string }[]];
    return rows.reduce((sum, { Value }) => sum + Number(Value), 0);
  };
  const idle = -(await count()) + (await count());
  const before = await count();
  await work();
  return (await count()) - before - idle;
}
