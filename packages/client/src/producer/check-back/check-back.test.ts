import type { ReportOutcomesRequest } from '@tpc/gen/tpc/v1/reliable_message_service';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../../test/support/until.ts';
import { type ProducerFixture, setUpProducer } from '../../../test/setup-producer.ts';
import { MARIADB, STORES } from '../../../test/stores.ts';
import { OpenKeys } from '../transaction/open-keys.ts';
import { judgeAbsent } from './check-back.ts';

const MESSAGE = { topic: 'SEND_EMAIL_TOPIC', body: 'x' };
const [COMMITTED, ROLLED_BACK, IN_PROGRESS] = [1, 2, 3];

/** Prepares a message at TPC as a producer does that dies before it commits. */
async function prepareAlone(fixture: ProducerFixture, messageKey: string, storeId: string): Promise<void> {
  const content = { topic: 'SEND_EMAIL_TOPIC', tag: '', data: Buffer.from('x'), contentType: '', headers: {}, traceparent: '', tracestate: '' };
  const message = { messageKey, ...content, delayLevel: 0, deliverTime: undefined, orderKey: '', orderSeq: 0n };
  await fixture.tpc.saveMessageWaitingConfirm({ producerGroup: 'UAC', storeId, message });
}

function verdicts(fixture: ProducerFixture): (readonly [string, number])[] {
  return fixture.fake
    .callsOf('reportOutcomes')
    .flatMap(({ request }) => (request as ReportOutcomesRequest).outcomes.map((outcome) => [outcome.messageKey, outcome.verdict] as const));
}

describe.each(STORES)('check-back on %s', (name, open) => {
  let fixture: ProducerFixture;
  let storeId: string;
  beforeEach(async () => {
    fixture = await setUpProducer(open);
    storeId = (await fixture.store.knex('tpc_store_meta').first('store_id')).store_id;
  });
  afterEach(() => fixture.close());

  it('answers ROLLED_BACK for a producer that died between prepare and commit, and sets the barrier', async () => {
    await prepareAlone(fixture, 'UAC:dead', storeId);
    fixture.fake.askAbout('UAC:dead');
    expect(await fixture.producer.answerOnce()).toBe(1);
    expect(verdicts(fixture)).toEqual([['UAC:dead', ROLLED_BACK]]);
    expect((await fixture.outbox())['UAC:dead']).toMatchObject({ state: 90, due_at: null });
    fixture.fake.askAbout('UAC:dead');
    await fixture.producer.answerOnce();
    expect(verdicts(fixture)[1]).toEqual(['UAC:dead', ROLLED_BACK]);
  });

  it('answers COMMITTED for a producer that died between commit and confirm, and marks the row', async () => {
    const { fake } = fixture;
    fake.beforeCall = ({ method }) => (method === 'batchConfirmAndSendMessage' ? new Promise(() => {}) : undefined);
    const dying = fixture.replica({ callDeadlineMs: 500 });
    const key = await dying.transaction((_tx, outbox) => outbox.add(MESSAGE));
    fake.askAbout(key);
    expect(await fixture.producer.answerOnce()).toBe(1);
    expect(verdicts(fixture)).toEqual([[key, COMMITTED]]);
    expect(fake.message(key)).toMatchObject({ state: 20, sends: 1 });
    await until(async () => (await fixture.outbox())[key]?.state === 20);
  });

  it('answers IN_PROGRESS for a transaction that is still open, and waits for nothing', async () => {
    const { producer, fake } = fixture;
    // On MariaDB another process asks the database; SQLite has one process, which knows its open keys.
    const asked = name === 'SQLite' ? producer : fixture.replica();
    const key = await producer.transaction(async (_tx, outbox) => {
      const added = await outbox.add(MESSAGE);
      await fake.until(() => fake.message(added)?.state === 10);
      fake.askAbout(added);
      if (name === 'SQLite') {
        const started = producer.answerOnce();
        await fake.until(() => fake.callsOf('reportOutcomes').length === 1);
        await started;
      } else await asked.answerOnce();
      return added;
    });
    expect(verdicts(fixture)).toEqual([[key, IN_PROGRESS]]);
    await fake.until(() => fake.message(key)?.state === 20);
  });

  it('is never asked about messages of another store', async () => {
    await prepareAlone(fixture, 'UAC:elsewhere', 'another-store');
    fixture.fake.askAbout('UAC:elsewhere');
    expect(await fixture.producer.answerOnce()).toBe(0);
    expect(fixture.fake.callsOf('fetchUncertainMessages')[0]?.request).toMatchObject({ producerGroup: 'UAC', storeId });
    expect(await fixture.outbox()).toEqual({});
  });

  it('answers by long poll while it runs', async () => {
    const running = fixture.replica({ checkBack: { enabled: true } });
    await running.start();
    await fixture.fake.until(() => fixture.fake.callsOf('fetchUncertainMessages').length === 1);
    await prepareAlone(fixture, 'UAC:dead', storeId);
    fixture.fake.askAbout('UAC:dead');
    await fixture.fake.until(() => fixture.fake.message('UAC:dead')?.cancelKind === 2);
  });

  it('takes the next key for an own key whose barrier stands', async () => {
    const { producer, fake } = fixture;
    await prepareAlone(fixture, 'UAC:order-7', storeId);
    fake.askAbout('UAC:order-7');
    await producer.answerOnce();
    const add = () => producer.transaction((_tx, outbox) => outbox.add({ ...MESSAGE, key: 'UAC:order-7' }));
    expect(await add()).toBe('UAC:order-7.2');
    expect(await add()).toBe('UAC:order-7.2');
    await fake.until(() => fake.message('UAC:order-7.2')?.sends === 1);
    expect(fake.message('UAC:order-7')).toMatchObject({ state: 40, sends: 0 });
  });

  it('refuses a UUID whose barrier stands: it can never be published', async () => {
    const key = '01890a5d-ac96-774b-bcce-b302099a8057';
    await fixture.store.knex('tpc_outbox').insert({ message_key: key, state: 90, created_at: 1, settled_at: 1 });
    const work = fixture.producer.transaction(async (tx, outbox) => {
      await tx('account').insert({ name: 'ada' });
      await outbox.add({ ...MESSAGE, key });
    });
    await expect(work).rejects.toMatchObject({ name: 'InvalidMessage', field: 'key' });
    expect(await fixture.accounts()).toEqual([]);
  });

  it('loses nothing when a delete overtakes the commit', async () => {
    const { producer, fake, tpc } = fixture;
    const key = await producer.transaction(async (_tx, outbox) => {
      const added = await outbox.add(MESSAGE);
      await fake.until(() => fake.message(added)?.state === 10);
      await tpc.deleteMessageByMessageKey({ producerGroup: 'UAC', messageKey: added });
      return added;
    });
    await until(async () => (await fixture.outbox())[key]?.state === 20);
    expect(fake.message(key)).toMatchObject({ state: 20, sends: 1 });
  });
});

describe('the barrier on MariaDB', () => {
  it('looks again when a row came between the look and the barrier', async () => {
    const fixture = await setUpProducer(MARIADB[1]);
    try {
      const other = fixture.store.second();
      // Holds the barrier's insert until the lock is free, so that a commit can come in between.
      await other.raw(`CREATE TRIGGER hold_barrier BEFORE INSERT ON tpc_outbox FOR EACH ROW
        IF NEW.state = 90 THEN SET @held = GET_LOCK('hold_barrier', 20); SET @held = RELEASE_LOCK('hold_barrier'); END IF`);
      const holder = await other.transaction();
      await holder.raw("SELECT GET_LOCK('hold_barrier', 0)");
      const verdict = judgeAbsent(fixture.store.knex, 'UAC', 'UAC:race', new OpenKeys());
      const held = () => other.raw("SELECT COUNT(*) AS n FROM information_schema.processlist WHERE state = 'User lock' AND db = DATABASE()");
      await until(async () => Number((await held())[0][0].n) === 1);
      await other('tpc_outbox').insert({ message_key: 'UAC:race', state: 10, created_at: 1 });
      await holder.raw("SELECT RELEASE_LOCK('hold_barrier')");
      expect(await verdict).toBe(COMMITTED);
      await holder.rollback();
    } finally {
      await fixture.close();
    }
  });
});
