import type { Knex } from 'knex';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createStore } from '../create-store.ts';
import type { Store } from '../store.ts';
import { itemOf, letTimePass, newClaim, PRODUCER, prepare, publish, subscribe, TOPIC } from './fixtures.ts';
import { openMariaDb, type TestStore } from './stores.ts';

type Plan = { select_type: string; table: string; key: string | null; rows: number; Extra: string };

/** A table that is large against any page: most messages settled, some open. */
const SETTLED = 3_000;

describe('on MariaDB', () => {
  let test: TestStore;
  beforeAll(async () => {
    test = await openMariaDb();
    await subscribe(test);
    await prepare(test, `${PRODUCER}:model`);
    const same =
      'producer_group_id, store_id, owner_id, topic_id, tag, content_hash, body, body_size, content_type, traceparent, tracestate, created_at';
    const numbers = `JSON_TABLE('${JSON.stringify([...Array(SETTLED).keys()])}', '$[*]' COLUMNS (n INT PATH '$')) AS numbers`;
    await test.sql(`INSERT INTO message (message_key, state, ${same}) SELECT CONCAT('settled-', n), 30, ${same} FROM message JOIN ${numbers}`);
    const open = Array.from({ length: 60 }, (_, n) => `${PRODUCER}:${n}`);
    await publish(test, ...open.slice(0, 20));
    await prepare(test, ...open.slice(20, 40));
    await test.store.saveAndSendMessages(
      open.slice(40).map((messageKey) => ({ ...itemOf(messageKey), committed: true })),
      newClaim(),
    );
    // Of a group that has consumed far more than it has open.
    await test.sql(
      `INSERT INTO confirm (message_id, group_id, status) SELECT m.id, g.id, 30 FROM message m JOIN consumer_group g
       WHERE m.message_key LIKE 'settled-%'`,
    );
    await letTimePass(test);
    await test.sql('ANALYZE TABLE message, confirm, message_owner, subscription');
  });
  afterAll(() => test.close());

  /** Statements that a call really sends, with their plans. */
  async function plansOf(act: () => Promise<unknown>): Promise<{ sql: string; plan: Plan[] }[]> {
    const sent: { sql: string; bindings: Knex.RawBinding[] }[] = [];
    // A packet holds several statements, and the values of all.
    const note = ({ sql, bindings }: { sql: string; bindings: Knex.RawBinding[] }) => {
      const values = [...bindings];
      for (const one of sql.split(';\n')) sent.push({ sql: one, bindings: values.splice(0, one.split('?').length - 1) });
    };
    test.knex.on('query', note);
    await act();
    test.knex.removeListener('query', note);
    const explainable = sent.filter(({ sql }) => /^(SELECT|UPDATE)/.test(sql));
    return Promise.all(explainable.map(async ({ sql, bindings }) => ({ sql, plan: await planOf(sql, bindings) })));
  }

  async function planOf(sql: string, bindings: readonly Knex.RawBinding[]): Promise<Plan[]> {
    // In rows, which MariaDB answers anyway: what stands in such a comment is MySQL's alone.
    const [plan] = await test.knex.raw(`EXPLAIN /*!80000 FORMAT=TRADITIONAL */ ${sql}`, bindings);
    return plan;
  }

  /** Fails for any statement that reads a large table without a key, or more of it than the open messages. */
  function expectIndexed(plans: { sql: string; plan: Plan[] }[], ...tables: string[]): void {
    const touched = plans.flatMap(({ sql, plan }) => plan.map((step) => ({ sql, ...step })));
    const large = touched.filter(({ table }) => ['m', 'message', 'c', 'confirm'].includes(table));
    for (const step of large) {
      expect([step.sql, step.key]).not.toEqual([step.sql, null]);
      expect([step.sql, step.rows < SETTLED / 2]).toEqual([step.sql, true]);
    }
    for (const name of tables) expect(touched.map((step) => step.key)).toContain(name);
  }

  it('a claim to publish walks over its lane only', async () => {
    expectIndexed(await plansOf(() => test.store.claimDueToPublish(10, newClaim())), 'message_lane_due');
  });

  it('a claim of uncertain messages walks over its lane only', async () => {
    const owner = { producerGroup: PRODUCER, storeId: 'outbox-1' };
    expectIndexed(await plansOf(() => test.store.claimUncertain(owner, 10)), 'message_lane_due');
    expectIndexed(await plansOf(() => test.store.nextUncertainInMs(owner)), 'message_lane_due');
  });

  it('a claim of redeliveries walks over its group only', async () => {
    const looks = (await plansOf(() => test.store.claimDueRedeliveries(10, newClaim()))).flatMap(({ plan }) => plan);
    // Of a group that is not there: the first entry of a range, which the optimizer has read already.
    expect(looks.map((step) => step.Extra)).toContain('No matching min/max row');
    expect(looks.map((step) => step.table)).not.toContain('confirm');
    await test.sql('UPDATE confirm SET urgent = 1 WHERE due_at IS NOT NULL LIMIT 3');
    await test.sql(
      `INSERT INTO group_progress (group_id, topic_id, latest_published_at, updated_at) SELECT id, 4711, ${test.ctx.sql.now}, 1 FROM consumer_group`,
    );
    expectIndexed(await plansOf(() => test.store.claimDueRedeliveries(10, newClaim())), 'confirm_group_due');
  });

  it('a look for due times beyond every wait reads the ends of the lanes and groups only', async () => {
    const look = () => test.store.pullInFarDue(10, 30_000);
    expectIndexed(await plansOf(look), 'message_lane_due');
    for (const table of ['message', 'confirm'])
      await test.sql(`UPDATE ${table} SET due_at = ${test.ctx.sql.now} + 1000000000 WHERE due_at IS NOT NULL LIMIT 5`);
    expectIndexed(await plansOf(look), 'message_lane_due', 'confirm_group_due');
  });

  it('a resume looks at parked messages only', async () => {
    expectIndexed(await plansOf(() => test.store.resumeUnsubscribed(10)), 'message_lane_due');
  });

  it('confirms and marks go by primary key, and by key where the id is not remembered', async () => {
    const messageKey = `${PRODUCER}:25`;
    const mark = { kind: 'consumed', consumerGroup: 'CID_OPC', messageKey, generation: 1 } as const;
    const confirm = (store: Store) => () => store.confirmMessages([{ producerGroup: PRODUCER, messageKey }], newClaim());
    // What has just been started remembers nothing.
    expectIndexed(await plansOf(confirm(createStore(test.knex))), 'message_key', 'PRIMARY');
    expectIndexed(await plansOf(() => createStore(test.knex).markDeliveries([mark])), 'message_key', 'PRIMARY');
    expectIndexed(await plansOf(confirm(test.store)), 'PRIMARY');
    expectIndexed(await plansOf(() => test.store.markDeliveries([mark])), 'PRIMARY');
  });

  it('the metrics read open messages only', async () => {
    const plans = await plansOf(() => test.store.readBacklog());
    expectIndexed(plans, 'message_lane_due', 'confirm_group_due', 'message_attention');
    // Counted in the index alone, however large the bodies are.
    const counts = plans.filter(({ sql }) => / (topic_id, COUNT|COUNT.* FROM confirm)/.test(sql) && !sql.includes('attention'));
    expect(counts).toHaveLength(2);
    for (const { sql, plan } of counts)
      expect([sql, plan.filter(({ table }) => table !== null)[0]?.Extra]).toEqual([sql, expect.stringMatching(/Using index(?! condition)/)]);
  });

  it.each([
    ['a key', { messageKey: `${PRODUCER}:1` }, 'message_key'],
    ['attention', { attentionOnly: true }, 'message_attention'],
    ['dead ones', { states: [50 as const] }, 'message_attention'],
    ['open ones', { states: [10 as const, 20 as const] }, 'message_lane_due'],
    ['a topic', { topic: TOPIC }, 'PRIMARY'],
  ])('a list by %s uses its index and sorts no more than the open messages', async (_what, filter, index) => {
    const plans = await plansOf(() => test.store.listMessages({ filter, pageSize: 20, after: 2_000 }));
    const steps = plans.flatMap(({ plan }) => plan).filter((step) => step.table === 'm' && step.select_type === 'DERIVED');
    expect(steps.map(({ key }) => key)).toContain(index);
    for (const { Extra } of index === 'message_lane_due' ? [] : steps) expect(Extra).not.toContain('filesort');
  });
});
