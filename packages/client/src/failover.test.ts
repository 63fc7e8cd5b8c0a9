import type { Knex } from 'knex';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../test/support/until.ts';
import { TestBed, TOPIC, takeEffect } from '../test/consumer-kit.ts';
import { type ProducerFixture, setUpProducer } from '../test/setup-producer.ts';
import { MARIADBS } from '../test/stores.ts';

const SESSIONS = 4;
const MESSAGE = { topic: 'SEND_EMAIL_TOPIC', body: 'x' };

/** The pool is left with sessions that take no writes, as after its server was demoted; a new session is writable. */
async function demote(knex: Knex): Promise<void> {
  const sessions = [];
  for (let n = 0; n < SESSIONS; n++) sessions.push(await knex.client.acquireConnection());
  for (const session of sessions) {
    await knex.client.query(session, 'SET SESSION TRANSACTION READ ONLY');
    await knex.client.releaseConnection(session);
  }
}

describe.each(MARIADBS)('sessions that take no writes any more, of a producer on %s', (_name, open) => {
  let fixture: ProducerFixture;
  beforeEach(async () => {
    fixture = await setUpProducer(open);
  });
  afterEach(() => fixture.close());

  it.each([
    ['the outbox row', async (tx: Knex.Transaction) => void tx],
    ['a statement of the work', (tx: Knex.Transaction) => tx('account').insert({ name: 'ada' })],
    [
      'a statement whose error the work swallows',
      (tx: Knex.Transaction) =>
        tx('account')
          .insert({ name: 'ada' })
          .catch(() => undefined),
    ],
  ])('end at %s, each once', async (_what, business) => {
    const { producer, store } = fixture;
    await producer.start();
    await demote(store.knex);
    let refused = 0;
    const work = async (tx: Knex.Transaction, outbox: { add(message: typeof MESSAGE): Promise<string> }) => {
      await business(tx);
      return outbox.add(MESSAGE);
    };
    await until(() =>
      producer.transaction(work).then(
        () => true,
        () => ++refused === -1,
      ),
    );
    expect(refused).toBeLessThanOrEqual(SESSIONS);
  });

  it('end in the background, too: the sweeper goes on', async () => {
    const { store } = fixture;
    const sweeper = fixture.replica({ sweep: { enabled: true, intervalMs: 5, firstWaitMs: 0 } });
    await sweeper.start();
    await store.second()('tpc_outbox').insert({ message_key: 'UAC:1', topic: 'SEND_EMAIL_TOPIC', state: 10, send_type: 2, created_at: 1 });
    await demote(store.knex);
    await store.second()('tpc_outbox').update({ due_at: 1 });
    await until(async () => (await fixture.outbox())['UAC:1']?.state === 20);
  });
});

describe.each(MARIADBS)('sessions that take no writes any more, of a consumer on %s', (_name, open) => {
  let bed: TestBed;
  beforeEach(async () => {
    bed = await TestBed.open(open);
  });
  afterEach(() => bed.close());

  it.each([
    ['rows', { handle: takeEffect }],
    [
      'effects',
      { effects: () => [{ key: 'a' }], run: async () => ({}), timeoutMs: 1_000, leaseMs: 2_000, onUncertain: 'repeat', concurrency: 1 } as const,
    ],
  ])('are ended, and messages are stored and handled: %s', async (_what, handler) => {
    const knex = bed.store.second();
    await bed.run(handler, { knex, leaseMs: 2_000 });
    await demote(knex);
    bed.broker.deliver({ messageKey: 'm1', topic: TOPIC, body: 'x' });
    await until(async () => (await bed.inbox('m1'))?.state === 30);
  });
});
