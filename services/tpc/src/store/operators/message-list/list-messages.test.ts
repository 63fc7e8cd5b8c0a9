import { run } from '@tpc/core';
import type { Knex } from 'knex';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MessageState } from '../../../domain/states.ts';
import type { StoreContext } from '../../base/context.ts';
import { LaneKind, laneOf } from '../../base/lanes.ts';
import { PRODUCER, prepare, subscribe, TAG, TOPIC } from '../../conformance/fixtures.ts';
import { openMariaDb, openSqlite, STORES, type TestStore } from '../../conformance/stores.ts';
import { createStoreContext } from '../../create-store.ts';
import type { MessageFilter } from '../../store-types.ts';
import { firstIdSince } from './first-id-since.ts';
import { listMessages } from './list-messages.ts';

const { WAITING_CONFIRM, SENDING, FINISHED, CANCELLED, DEAD } = MessageState;
const START = 1_700_000_000_000;
const ROWS = 150;

type Facts = {
  id: number;
  topic: string;
  tag: string;
  producerGroup: string;
  state: MessageState;
  attention: boolean;
  dead: boolean;
  createdAt: number;
};

/** Messages of every kind. Ids have gaps, and every 13th was stored at an older time than the id before it. */
const FACTS: readonly Facts[] = Array.from({ length: ROWS }, (_, n) => ({
  id: 100 + n * 2 + (n > 90 ? 5_000 : 0),
  topic: n % 7 === 0 ? 'T2' : TOPIC,
  tag: n % 5 === 0 ? 'X' : TAG,
  producerGroup: n % 3 === 0 ? 'PID_B' : PRODUCER,
  state: [CANCELLED, DEAD, SENDING, WAITING_CONFIRM][n % 11] ?? FINISHED,
  attention: n % 11 === 1 || n % 11 === 2,
  dead: n % 11 === 2,
  createdAt: START + n * 10_000 - (n % 13 === 12 ? 45_000 : 0),
}));

function passes(filter: MessageFilter, row: Facts): boolean {
  const { topic, tag, producerGroup, states = [], attentionOnly, deadCopiesOnly, createdFrom = 0, createdTo = Number.POSITIVE_INFINITY } = filter;
  return (
    (!topic || row.topic === topic) &&
    (!tag || row.tag === tag) &&
    (!producerGroup || row.producerGroup === producerGroup) &&
    (states.length === 0 || states.includes(row.state)) &&
    (!attentionOnly || row.attention) &&
    (!deadCopiesOnly || row.dead) &&
    row.createdAt >= createdFrom &&
    row.createdAt < createdTo
  );
}

/** Every filter alone and with the others. */
function combinations(): MessageFilter[] {
  const choices: MessageFilter[][] = [
    [{}, { topic: 'T2' }],
    [{}, { tag: 'X' }, { producerGroup: 'PID_B' }],
    [{}, { attentionOnly: true }, { deadCopiesOnly: true }],
    [{}, ...[[DEAD], [WAITING_CONFIRM], [SENDING, WAITING_CONFIRM], [CANCELLED], [FINISHED, DEAD]].map((states) => ({ states }))],
    [{}, { createdFrom: START + 700_000 }, { createdTo: START + 900_000 }, { createdFrom: START + 400_000, createdTo: START + 500_000 }],
  ];
  return choices.reduce((all, some) => all.flatMap((filter) => some.map((more) => ({ ...filter, ...more }))), [{}] as MessageFilter[]);
}

const most = (n: number) => ({ inOrder: n, byIndex: n });

async function fill(test: TestStore, facts: readonly Facts[]): Promise<void> {
  await subscribe(test, 'CID_OPC', TOPIC, []);
  await prepare(test, `${PRODUCER}:model`);
  const [model] = await test.sql('SELECT * FROM message');
  await test.sql('DELETE FROM message');
  const rows = [];
  for (const fact of facts) {
    const { producerGroupId, storeId, ownerId } = await test.ctx.names.owner(fact.producerGroup, 'outbox-1');
    const kind = { [WAITING_CONFIRM]: LaneKind.CHECK, [SENDING]: LaneKind.FOLLOW }[fact.state as number];
    rows.push({
      ...model,
      id: fact.id,
      message_key: `k${fact.id}`,
      producer_group_id: producerGroupId,
      store_id: storeId,
      owner_id: ownerId,
      topic_id: await test.ctx.names.topic(fact.topic),
      tag: fact.tag,
      state: fact.state,
      lane: kind === undefined ? null : laneOf(kind, ownerId),
      due_at: kind === LaneKind.CHECK ? 1_000_000 - fact.id : null,
      attention: fact.attention ? 1 : null,
      dead_groups: fact.dead ? 1 : 0,
      created_at: fact.createdAt,
    });
  }
  await test.knex.batchInsert('message', rows, 20);
}

describe.each(STORES)('lists of messages, on %s', (name, open) => {
  let test: TestStore;
  beforeAll(async () => {
    test = await open();
    await fill(test, FACTS);
  });
  afterAll(() => test.close());

  /** All pages of a list, with the statements that made them. */
  async function follow(filter: MessageFilter, lookAtMost: number) {
    const ids: number[] = [];
    let pages = 0;
    let after: number | undefined;
    do {
      const page = await listMessages(test.ctx, { filter, pageSize: 7, after }, most(lookAtMost));
      expect(page.next === undefined || page.searchedBackTo !== undefined).toBe(true);
      ids.push(...page.messages.map(({ id }) => id));
      after = page.next;
      pages++;
    } while (after !== undefined);
    return { ids, pages };
  }

  /** Every combination on SQLite. MariaDB takes long for so many statements: there, and for many small pages, a part of each kind. */
  const parts = name === 'SQLite' ? { 40: 1, 5: 5 } : { 40: 5, 5: 17 };

  it.each([40, 5] as const)(
    'have each message that passes every filter, alone and combined, once and newest first; a page looks at %i',
    async (lookAtMost) => {
      for (const filter of combinations().filter((_, n) => n % parts[lookAtMost] === 0)) {
        const expected = FACTS.filter((row) => passes(filter, row)).map(({ id }) => id);
        expect([filter, (await follow(filter, lookAtMost)).ids]).toEqual([filter, expected.reverse()]);
      }
    },
  );

  it('tell how far a page without a find has looked, and where the next one begins', async () => {
    const first = await listMessages(test.ctx, { filter: { topic: 'NOBODY' }, pageSize: 7, after: undefined }, most(40));
    expect(first).toEqual({ messages: [], next: undefined, searchedBackTo: undefined });
    await test.ctx.names.topic('QUIET');
    const quiet = await listMessages(test.ctx, { filter: { topic: 'QUIET' }, pageSize: 7, after: undefined }, most(40));
    const rest = FACTS[ROWS - 41] as Facts;
    expect(quiet).toEqual({ messages: [], next: rest.id + 1, searchedBackTo: rest.createdAt });
    expect((await follow({ topic: 'QUIET' }, 40)).pages).toBe(4);
    // Nothing older than what is asked for is looked at.
    expect((await follow({ topic: 'QUIET', createdFrom: START + (ROWS - 30) * 10_000 }, 40)).pages).toBe(1);
  });

  it('stay whole while messages come, go and change', async () => {
    const page = await listMessages(test.ctx, { filter: { states: [FINISHED] }, pageSize: 7, after: undefined }, most(40));
    const finished = FACTS.filter(({ state }) => state === FINISHED).map(({ id }) => id);
    const behind = finished.reverse().slice(7);
    await test.sql('UPDATE message SET state = ? WHERE id = ?', CANCELLED, page.messages[3]?.id as number);
    await test.sql('UPDATE message SET id = id + 9000 WHERE id = ?', page.messages[5]?.id as number);
    const rest: number[] = [];
    for (let { next } = page; next !== undefined; ) {
      const more = await listMessages(test.ctx, { filter: { states: [FINISHED] }, pageSize: 7, after: next }, most(40));
      rest.push(...more.messages.map(({ id }) => id));
      next = more.next;
    }
    expect(rest).toEqual(behind);
  });

  it('find the end of a time window without reading what is younger', async () => {
    await test.sql('DELETE FROM message');
    const far = FACTS.map((fact) => ({ ...fact, id: fact.id * 1_000 }));
    await fill(test, far);
    // Among them such that lie between an older row and those before it.
    const disordered = FACTS.filter((_, n) => n % 13 === 12).map(({ createdAt }) => createdAt + 5_000);
    for (const time of [0, START, START + 333_333, START + 900_000, START + 10_000_000, ...disordered]) {
      const end = (await firstIdSince(test.ctx, time)) as number;
      const [younger] = await test.sql<{ n: number }>('SELECT COUNT(*) AS n FROM message WHERE id >= ? AND created_at < ?', end, time);
      const [older] = await test.sql<{ n: number }>('SELECT COUNT(*) AS n FROM message WHERE id < ? AND created_at >= ?', end, time + 120_000);
      expect([time, younger?.n, (older?.n ?? 0) < 8]).toEqual([time, 0, true]);
    }
    await test.sql('DELETE FROM message');
    expect(await firstIdSince(test.ctx, START)).toBeUndefined();
  });
});

/** Filters of every kind that few or none of the settled messages pass. */
const SELECTIVE: readonly (readonly [string, MessageFilter])[] = [
  ['a topic', { topic: 'QUIET' }],
  ['a tag', { tag: 'QUIET' }],
  ['a producer group', { producerGroup: 'PID_QUIET' }],
  ['a state that no index knows', { states: [CANCELLED] }],
  ['open states', { states: [WAITING_CONFIRM, SENDING] }],
  ['open states of a producer group', { states: [SENDING], producerGroup: 'PID_QUIET' }],
  ['DEAD', { states: [DEAD] }],
  ['several states', { states: [CANCELLED, DEAD] }],
  ['attention', { attentionOnly: true }],
  ['dead copies', { deadCopiesOnly: true, topic: 'QUIET' }],
  ['a time window', { createdFrom: START, createdTo: START + 1 }],
  ['the end of a time window', { createdTo: START }],
  ['a time window and a topic', { createdFrom: START, createdTo: START + 100_000, topic: 'QUIET' }],
  ['a key', { messageKey: 'settled-17' }],
  ['a key and a topic', { messageKey: 'settled-17', topic: 'QUIET' }],
  ['nothing', {}],
];

describe('what a page reads, however many messages there are', () => {
  const SETTLED = 6_000;
  const LOOK_AT = 100;
  const MOST = 900;
  let test: TestStore;
  let ctx: StoreContext;
  beforeAll(async () => {
    test = await openMariaDb(1);
    ctx = createStoreContext(test.second);
    await fill(test, FACTS.slice(0, 30));
    await test.ctx.names.topic('QUIET');
    await test.ctx.names.owner('PID_QUIET', 'outbox-1');
    const same = 'producer_group_id, store_id, owner_id, topic_id, tag, content_hash, body, body_size, content_type, traceparent, tracestate';
    const numbers = `JSON_TABLE('${JSON.stringify([...Array(SETTLED).keys()])}', '$[*]' COLUMNS (n INT PATH '$')) AS numbers`;
    await test.sql(
      `INSERT INTO message (id, message_key, state, created_at, ${same}) SELECT 100000 + n, CONCAT('settled-', n), 30, ${START} + 1000000 + n, ${same}
       FROM (SELECT * FROM message LIMIT 1) AS model JOIN ${numbers}`,
    );
    await test.sql('ANALYZE TABLE message');
  });
  afterAll(() => test.close());

  /** Index entries and rows that the server reads for `work`, in the only session of the second pool. */
  async function reads(work: () => Promise<unknown>): Promise<number> {
    const count = async () => {
      const { rows } = await run<{ Value: string }>(test.second, "SHOW SESSION STATUS LIKE 'Handler_read%'");
      return rows.reduce((sum, { Value }) => sum + Number(Value), 0);
    };
    const idle = -(await count()) + (await count());
    const before = await count();
    await work();
    return (await count()) - before - idle;
  }

  it.each(SELECTIVE)('by %s is bounded, on the first page and on the next ones', async (_what, filter) => {
    let after: number | undefined;
    for (let page = 0; page < 4; page++) {
      const read = await reads(async () => {
        after = (await listMessages(ctx, { filter, pageSize: 20, after }, most(LOOK_AT))).next;
      });
      expect(read).toBeLessThan(MOST);
      if (after === undefined) return;
    }
  });
});

describe('the plans on SQLite', () => {
  let test: TestStore;
  beforeAll(async () => {
    test = await openSqlite();
    await fill(test, FACTS);
    await test.ctx.names.topic('QUIET');
    await test.ctx.names.owner('PID_QUIET', 'outbox-1');
  });
  afterAll(() => test.close());

  it.each(SELECTIVE)('of a list by %s search in an index, and sort nothing but a small source', async (_what, filter) => {
    const sent: { sql: string; bindings: Knex.RawBinding[] }[] = [];
    const note = ({ sql, bindings }: (typeof sent)[number]) => void sent.push({ sql, bindings });
    test.knex.on('query', note);
    await listMessages(test.ctx, { filter, pageSize: 20, after: 5_300 }, most(40));
    test.knex.removeListener('query', note);
    const details: string[] = [];
    // A look at the one end of the table is no scan.
    for (const { sql, bindings } of sent.filter(({ sql }) => !/ORDER BY id( DESC)? LIMIT 1$/.test(sql)))
      details.push(...(await test.knex.raw(`EXPLAIN QUERY PLAN ${sql}`, bindings)).map(({ detail }: { detail: string }) => detail));
    expect(details.filter((detail) => /^SCAN (m|message)\b/.test(detail))).toEqual([]);
    expect(details.join('\n')).toMatch(/SEARCH m(essage)? /);
  });
});
