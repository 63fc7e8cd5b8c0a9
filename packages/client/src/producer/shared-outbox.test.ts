import { Verdict } from '@tpc/gen/tpc/v1/reliable_message_service';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../../../test/support/free-port.ts';
import { until } from '../../../../test/support/until.ts';
import { type ProducerFixture, setUpProducer } from '../../test/setup-producer.ts';
import { STORES } from '../../test/stores.ts';
import { connectTpc } from '../connection/index.ts';
import { readOutboxBacklog } from './store/read-backlog.ts';

const MESSAGE = { topic: 'SEND_EMAIL_TOPIC', body: 'x' };

/** Two producer groups whose services share one database: the second is BILLING, the fixture's own is UAC. */
describe.each(STORES)('an outbox of two producer groups, on %s', (_name, open) => {
  let fixture: ProducerFixture;
  beforeEach(async () => {
    fixture = await setUpProducer(open);
  });
  afterEach(() => fixture.close());

  /** Commits a message of which TPC never hears. @returns its key */
  async function commitUnheard(group: string, key?: string): Promise<string> {
    const nobody = connectTpc({ address: `127.0.0.1:${await freePort()}` });
    const dying = fixture.replica({ group, tpc: nobody, sweep: { enabled: false, firstWaitMs: 0 } });
    const committed = await dying.transaction((_tx, outbox) => outbox.add({ ...MESSAGE, ...(key === undefined ? {} : { key }) }));
    await dying.stop(5_000);
    nobody.close();
    return committed;
  }

  const sentAs = () =>
    fixture.fake
      .callsOf('batchSaveAndSendMessage')
      .flatMap(({ request }) => {
        const { producerGroup, messages } = request as { producerGroup: string; messages: { messageKey: string }[] };
        return messages.map(({ messageKey }) => `${producerGroup} ${messageKey}`);
      })
      .sort();

  /** As an older library, or a service in another language, left it. */
  const forgetGroup = (...keys: string[]) => fixture.store.knex('tpc_outbox').whereIn('message_key', keys).update({ producer_group: '' });

  it('sweeps for each group its own rows alone', async () => {
    const keys = [
      await commitUnheard('UAC'),
      await commitUnheard('UAC', 'UAC:1'),
      await commitUnheard('BILLING'),
      await commitUnheard('BILLING', 'BILLING:1'),
    ];
    expect(await fixture.replica({ group: 'BILLING' }).sweepOnce()).toMatchObject({ claimed: 2, sent: 2 });
    expect(await fixture.producer.sweepOnce()).toMatchObject({ claimed: 2, sent: 2 });
    const [a, b, c, d] = keys;
    expect(sentAs()).toEqual([`BILLING ${c}`, `BILLING ${d}`, `UAC ${a}`, `UAC ${b}`].sort());
  });

  it('says at its start that rows of a group that was renamed wait for a producer of the old name', async () => {
    const key = await commitUnheard('BILLING_OLD');
    await commitUnheard('ZEBRA');
    await fixture.store.knex('tpc_outbox').where({ message_key: key }).decrement('due_at', 601_000);
    const lines: object[] = [];
    const note = (fields: object) => void lines.push(fields);
    const nothing = () => undefined;
    const producer = fixture.replica({ group: 'BILLING', log: { debug: nothing, info: nothing, warn: note, error: note } });
    await producer.start();
    expect(lines).toEqual([{ producer_group: 'BILLING', other_group: 'BILLING_OLD' }]);
    await producer.stop(5_000);
  });

  it('gives no verdict on a row of another group, and no barrier', async () => {
    const key = await commitUnheard('BILLING');
    await fixture.producer.start();
    const content = { topic: MESSAGE.topic, tag: '', data: Buffer.from('x'), contentType: '', headers: {}, traceparent: '', tracestate: '' };
    const message = { messageKey: key, ...content, delayLevel: 0, deliverTime: undefined, orderKey: '', orderSeq: 0n };
    await fixture.tpc.saveMessageWaitingConfirm({ producerGroup: 'UAC', storeId: fixture.producer.state().storeId, message });
    fixture.fake.askAbout(key);
    await fixture.producer.answerOnce();
    const verdicts = fixture.fake.callsOf('reportOutcomes').flatMap(({ request }) => (request as { outcomes: { verdict: Verdict }[] }).outcomes);
    expect(verdicts).toMatchObject([{ verdict: Verdict.VERDICT_UNSPECIFIED }]);
    expect(await fixture.store.knex('tpc_outbox').where({ message_key: key })).toMatchObject([{ state: 10, producer_group: 'BILLING' }]);
  });

  it('counts for each group its own backlog', async () => {
    await commitUnheard('UAC');
    await commitUnheard('BILLING');
    await commitUnheard('BILLING');
    expect(await readOutboxBacklog(fixture.store.knex, 'UAC')).toMatchObject({ unacknowledged: 1 });
    expect(await readOutboxBacklog(fixture.store.knex, 'BILLING')).toMatchObject({ unacknowledged: 2 });
  });

  it('an older row that names no group goes to the group of its key, and one with a UUID to the only group there is', async () => {
    const [uuid, own] = [await commitUnheard('UAC'), await commitUnheard('UAC', 'UAC:1')];
    await forgetGroup(uuid, own);
    await fixture.producer.start();
    await until(async () => fixture.producer.state().registered);
    expect(await fixture.replica({ group: 'BILLING' }).sweepOnce()).toMatchObject({ claimed: 0 });
    expect(await fixture.producer.sweepOnce()).toMatchObject({ claimed: 2, sent: 2 });
    expect(sentAs()).toEqual([`UAC ${own}`, `UAC ${uuid}`].sort());
    expect(await fixture.store.knex('tpc_outbox').distinct('producer_group')).toEqual([{ producer_group: 'UAC' }]);
  });

  it('an older row with a UUID is left, and named in the log, where several groups write', async () => {
    const [uuid, own] = [await commitUnheard('UAC'), await commitUnheard('UAC', 'UAC:1')];
    await commitUnheard('BILLING');
    await forgetGroup(uuid, own);
    await fixture.producer.start();
    await until(async () => fixture.producer.state().registered);
    await fixture.producer.sweepOnce();
    await fixture.producer.sweepOnce();
    expect(sentAs()).toEqual([`UAC ${own}`]);
    expect((await fixture.outbox())[uuid]).toMatchObject({ state: 10 });
    expect(fixture.logged.filter(({ message }) => /name no producer group/.test(message))).toMatchObject([{ level: 'error', fields: { count: 1 } }]);
  });
});
