import type { BatchSaveAndSendMessageRequest } from '@tpc/gen/tpc/v1/reliable_message_service';
import type { Knex } from 'knex';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../../../../test/support/free-port.ts';
import { until } from '../../../../../test/support/until.ts';
import { type ProducerFixture, setUpProducer } from '../../../test/setup-producer.ts';
import { MARIADB, SPLIT_STORES, STORES, TORN_STORE } from '../../../test/stores.ts';
import { connectTpc } from '../../connection/index.ts';
import { FakeRefusal } from '../../testing/index.ts';
import type { ProducerEvent } from '../events.ts';

const MESSAGE = { topic: 'SEND_EMAIL_TOPIC', body: 'x' };

/** Commits messages of which TPC never hears, as a process does that dies at once. */
async function commitUnheard(fixture: ProducerFixture, count: number, body = 'x'): Promise<string[]> {
  const nobody = connectTpc({ address: `127.0.0.1:${await freePort()}` });
  const dying = fixture.replica({ tpc: nobody, sweep: { enabled: false, firstWaitMs: 0 } });
  const keys = [];
  for (let n = 0; n < count; n++) keys.push(await dying.transaction((_tx, outbox) => outbox.add({ ...MESSAGE, body })));
  await dying.stop(5_000);
  nobody.close();
  return keys;
}

function keysSent(fixture: ProducerFixture): string[] {
  return fixture.fake
    .callsOf('batchSaveAndSendMessage')
    .flatMap(({ request }) => (request as BatchSaveAndSendMessageRequest).messages.map((m) => m.messageKey));
}

describe.each([...STORES, ...SPLIT_STORES.slice(0, 1)])('the sweeper on %s', (_name, open) => {
  let fixture: ProducerFixture;
  beforeEach(async () => {
    fixture = await setUpProducer(open);
  });
  afterEach(() => fixture.close());

  it('does nothing when nothing is due', async () => {
    await fixture.producer.transaction((_tx, outbox) => outbox.add(MESSAGE));
    expect(await fixture.producer.sweepOnce()).toEqual({ claimed: 0, sent: 0, failed: 0 });
  });

  it('sends what it finds whole and as committed', async () => {
    const [key] = (await commitUnheard(fixture, 1)) as [string];
    expect(await fixture.replica().sweepOnce()).toEqual({ claimed: 1, sent: 1, failed: 0 });
    const { request } = fixture.fake.callsOf('batchSaveAndSendMessage')[0] as { request: BatchSaveAndSendMessageRequest };
    expect(request).toMatchObject({ committed: true, producerGroup: 'UAC', storeId: fixture.producer.state().storeId || expect.any(String) });
    expect(request.messages[0]).toMatchObject({ messageKey: key, topic: 'SEND_EMAIL_TOPIC' });
    expect(request.messages[0]?.data?.toString()).toBe('x');
  });

  it('sends each message once when two sweep at the same moment', async () => {
    const keys = await commitUnheard(fixture, 20);
    const [one, other] = [fixture.replica({ knex: fixture.store.second() }), fixture.replica()];
    const results = await Promise.all([one.sweepOnce().catch(() => other.sweepOnce()), other.sweepOnce()]);
    const rest = await other.sweepOnce();
    expect([...results, rest].reduce((sum, result) => sum + result.claimed, 0)).toBe(20);
    expect(keysSent(fixture).sort()).toEqual([...keys].sort());
  });

  it('leaves a claimed row to its claimer until the lease is over, then takes it', async () => {
    const [key] = (await commitUnheard(fixture, 1)) as [string];
    const dead = fixture.replica({ sweep: { enabled: false, leaseMs: 60_000 } });
    fixture.fake.freeze();
    const dying = dead.sweepOnce();
    await fixture.fake.until(() => fixture.fake.callsOf('batchSaveAndSendMessage').length === 1);
    expect((await fixture.replica().sweepOnce()).claimed).toBe(0);
    fixture.fake.thaw();
    await dying;
    await fixture.store.knex('tpc_outbox').update({ state: 10, claim: 'of the dead', due_at: 1 });
    expect((await fixture.replica().sweepOnce()).sent).toBe(1);
    expect(fixture.fake.message(key)?.sends).toBe(1);
  });

  it("takes what is due only in days, as after the database's clock was set back, and keeps the lease of who has claimed it", async () => {
    const [free, claimed, legal] = (await commitUnheard(fixture, 3)) as [string, string, string];
    const { knex } = fixture.store;
    const now = Date.now();
    await knex('tpc_outbox').update({ due_at: now + 10 * 86_400_000 });
    await knex('tpc_outbox').where({ message_key: claimed }).update({ claim: 'alive' });
    // TPC may ask for an hour.
    await knex('tpc_outbox')
      .where({ message_key: legal })
      .update({ due_at: now + 3_600_000 });
    const sweeper = fixture.replica({ sweep: { enabled: false, leaseMs: 40_000 } });
    expect(await sweeper.sweepOnce()).toEqual({ claimed: 1, sent: 1, failed: 0 });
    const rows = await fixture.outbox();
    expect(rows[free]).toMatchObject({ state: 20 });
    expect(rows[legal]).toMatchObject({ state: 10, due_at: now + 3_600_000 });
    expect(rows[claimed]).toMatchObject({ state: 10, claim: 'alive' });
    expect(Number(rows[claimed]?.due_at)).toBeGreaterThan(now + 35_000);
    expect(Number(rows[claimed]?.due_at)).toBeLessThan(now + 3_600_000);
    expect(fixture.logged).toContainEqual(
      expect.objectContaining({ level: 'warn', fields: expect.objectContaining({ count: 2 }), message: expect.stringContaining('clock set back') }),
    );
  });

  it('waits longer after each try that failed, keeps the reason, and never gives up', async () => {
    const [key] = (await commitUnheard(fixture, 1)) as [string];
    const retry = { firstWaitMs: 10_000, factor: 10, maxWaitMs: 1_000_000, jitter: 0, maxAttempts: undefined };
    const sweeper = fixture.replica({ sweep: { enabled: false, retry } });
    fixture.fake.beforeItem = () => {
      throw new FakeRefusal('RESOURCE_EXHAUSTED', 'BUSY', 'come again');
    };
    const waits: number[] = [];
    for (let attempt = 1; attempt <= 3; attempt++) {
      await fixture.store.knex('tpc_outbox').update({ due_at: 1 });
      expect(await sweeper.sweepOnce()).toEqual({ claimed: 1, sent: 0, failed: 1 });
      const row = (await fixture.outbox())[key];
      expect(row).toMatchObject({ state: 10, attempts: attempt, claim: null, last_error: 'RESOURCE_EXHAUSTED BUSY come again' });
      waits.push(Number(row?.due_at));
    }
    expect((waits[1] as number) - (waits[0] as number)).toBeGreaterThan(50_000);
    expect((waits[2] as number) - (waits[1] as number)).toBeGreaterThan(500_000);
  });

  it('goes on with the others when TPC does not take one again and again: that says nothing of TPC', async () => {
    const [bad, good] = (await commitUnheard(fixture, 2)) as [string, string];
    const failed: string[] = [];
    const onEvent = (event: ProducerEvent) =>
      event.type === 'confirm' && event.outcome === 'failed' && failed.push(`${event.via} ${event.messageKey}`);
    const sweeper = fixture.replica({ onEvent });
    await sweeper.start();
    fixture.fake.beforeItem = (_method, key) => {
      if (key === bad) throw new FakeRefusal('UNAVAILABLE', 'STORE_UNAVAILABLE', 'held by another');
    };
    for (let sweeps = 1; sweeps <= 2; sweeps++) {
      await fixture.store.knex('tpc_outbox').where({ state: 10 }).update({ due_at: 1 });
      await sweeper.sweepOnce();
      expect(sweeper.state().mode).toBe('online');
      expect((await fixture.outbox())[bad]).toMatchObject({
        state: 10,
        attempts: sweeps,
        last_error: 'UNAVAILABLE STORE_UNAVAILABLE held by another',
      });
    }
    expect((await fixture.outbox())[good]?.state).toBe(20);
    expect(failed).toEqual([`sweep ${bad}`, `sweep ${bad}`]);
    expect(fixture.logged).toContainEqual(
      expect.objectContaining({ level: 'warn', fields: expect.objectContaining({ message_key: bad, attempts: 2 }) }),
    );
    // A transaction whose own message is not taken commits and leaves it to the sweeper, and its neighbours are prepared.
    fixture.fake.beforeItem = (_method, key) => {
      if (key === 'UAC:bad') throw new FakeRefusal('INTERNAL');
    };
    await sweeper.transaction((_tx, outbox) => outbox.add({ ...MESSAGE, key: 'UAC:bad' }));
    const next = await sweeper.transaction((_tx, outbox) => outbox.add(MESSAGE));
    expect(sweeper.state().mode).toBe('online');
    await until(async () => (await fixture.outbox())[next]?.state === 20);
    expect(fixture.fake.callsOf('batchConfirmAndSendMessage')).toHaveLength(1);
  });

  it('keeps the reason of a message that TPC stored as dead, and says so', async () => {
    const [key] = (await commitUnheard(fixture, 1)) as [string];
    const { storeId } = (await fixture.store.knex('tpc_store_meta').first('store_id as storeId')) as { storeId: string };
    const events: string[] = [];
    const sweeper = fixture.replica({ onEvent: (event) => event.type === 'dead' && events.push(`${event.messageKey} ${event.reason}`) });
    const content = { messageKey: key, topic: 'SEND_EMAIL_TOPIC', tag: '', data: Buffer.from('x'), contentType: '', headers: {}, traceparent: '' };
    const message = { ...content, tracestate: '', delayLevel: 0, deliverTime: undefined, orderKey: '', orderSeq: 0n };
    await fixture.tpc.saveMessageWaitingConfirm({ producerGroup: 'UAC', storeId, message });
    await fixture.tpc.reportOutcomes({ producerGroup: 'UAC', storeId, outcomes: [{ messageKey: key, verdict: 2 }] });
    await sweeper.sweepOnce();
    expect((await fixture.outbox())[key]).toMatchObject({ state: 20, reason: 'COMMIT_AFTER_ROLLBACK', due_at: null });
    expect(events).toEqual([`${key} COMMIT_AFTER_ROLLBACK`]);
  });

  it('sends the others when TPC refuses a whole request for one of its messages', async () => {
    const keys = (await commitUnheard(fixture, 5)) as [string, ...string[]];
    const [bad, ...good] = keys;
    fixture.fake.beforeCall = ({ method, request }) => {
      const { messages = [] } = request as BatchSaveAndSendMessageRequest;
      if (method === 'batchSaveAndSendMessage' && messages.some((message) => message.messageKey === bad))
        throw new FakeRefusal('INVALID_ARGUMENT', 'FIELD_INVALID', 'not to be read');
    };
    expect(await fixture.replica().sweepOnce()).toEqual({ claimed: 5, sent: 4, failed: 1 });
    const outbox = await fixture.outbox();
    expect(good.map((key) => outbox[key]?.state)).toEqual([20, 20, 20, 20]);
    expect(outbox[bad]).toMatchObject({ state: 10, claim: null, last_error: 'INVALID_ARGUMENT FIELD_INVALID not to be read' });
  });

  it('takes an answer without results, or with results that say nothing, for no answer', async () => {
    const keys = await commitUnheard(fixture, 2);
    const tpc = { ...fixture.tpc };
    const sweeper = fixture.replica({ tpc });
    const silent = { status: undefined, state: 0 as const, storedKey: '', reason: '' };
    for (const results of [[], [silent], [silent, silent]]) {
      tpc.batchSaveAndSendMessage = async () => ({ results });
      await fixture.store.knex('tpc_outbox').update({ due_at: 1 });
      expect(await sweeper.sweepOnce()).toEqual({ claimed: 2, sent: 0, failed: 2 });
    }
    expect(Object.values(await fixture.outbox()).map(({ state }) => state)).toEqual(keys.map(() => 10));
  });

  it('keeps requests below the size that TPC takes', async () => {
    const keys = await commitUnheard(fixture, 5, 'b'.repeat(400_000));
    const sweeper = fixture.replica({ sweep: { enabled: true, intervalMs: 5 } });
    await sweeper.start();
    await until(async () => Object.values(await fixture.outbox()).every((row) => row.state === 20));
    expect(keysSent(fixture).sort()).toEqual([...keys].sort());
    for (const { request } of fixture.fake.callsOf('batchSaveAndSendMessage'))
      expect((request as BatchSaveAndSendMessageRequest).messages.length).toBeLessThanOrEqual(2);
  });

  it('stops at once while it is idle', async () => {
    const sweeper = fixture.replica({ sweep: { enabled: true, intervalMs: 3_600_000 }, checkBack: { enabled: true } });
    await sweeper.start();
    await fixture.fake.until(() => fixture.fake.callsOf('fetchUncertainMessages').length === 1);
    await sweeper.stop(20_000);
  });
});

it('undoes a claim that it cannot read back, and says so as an error', async () => {
  const fixture = await setUpProducer(TORN_STORE);
  try {
    const [key] = (await commitUnheard({ ...fixture, replica: (own) => fixture.replica({ ...own, knex: fixture.store.observer as Knex }) }, 1)) as [
      string,
    ];
    const sweeper = fixture.replica({ sweep: { enabled: true, intervalMs: 5, firstWaitMs: 0 } });
    await sweeper.start();
    await until(() => fixture.logged.some(({ level }) => level === 'error'));
    expect(fixture.logged.find(({ level }) => level === 'error')).toMatchObject({
      fields: { error_code: 'CLAIM_NOT_READ', reason: expect.stringContaining('claimed 1 rows and read 0') },
      message: 'what was claimed could not be read; the claim is undone',
    });
    expect((await fixture.outbox())[key]).toMatchObject({ state: 10, claim: null, attempts: 0 });
  } finally {
    await fixture.close();
  }
});

describe('the sweeper on a server with several connections', () => {
  let fixture: ProducerFixture;
  beforeEach(async () => {
    fixture = await setUpProducer(MARIADB[1], { sweep: { enabled: false, firstWaitMs: 0 } });
  });
  afterEach(() => fixture.close());

  it('leaves the row of a transaction that is still open', async () => {
    const other = fixture.replica();
    await fixture.producer.transaction(async (_tx, outbox) => {
      await outbox.add(MESSAGE);
      expect(await other.sweepOnce()).toEqual({ claimed: 0, sent: 0, failed: 0 });
    });
  });

  it('neither takes nor waits for rows that another is just claiming', async () => {
    const keys = await commitUnheard(fixture, 3);
    const other = fixture.store.second();
    // Holds the first claim between its look and its mark.
    await other.raw(`CREATE TRIGGER hold_claim BEFORE UPDATE ON tpc_outbox FOR EACH ROW
      IF NEW.claim IS NOT NULL THEN SET @held = GET_LOCK('hold_claim', 20); SET @held = RELEASE_LOCK('hold_claim'); END IF`);
    const holder = await other.transaction();
    await holder.raw("SELECT GET_LOCK('hold_claim', 0)");
    const first = fixture.producer.sweepOnce();
    const held = () => other.raw("SELECT COUNT(*) AS n FROM information_schema.processlist WHERE state = 'User lock' AND db = DATABASE()");
    await until(async () => Number((await held())[0][0].n) === 1);
    expect((await fixture.replica().sweepOnce()).claimed).toBe(0);
    await holder.raw("SELECT RELEASE_LOCK('hold_claim')");
    expect((await first).sent).toBe(3);
    expect(keysSent(fixture).sort()).toEqual([...keys].sort());
    await holder.rollback();
  });
});
