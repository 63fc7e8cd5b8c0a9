import { expect, it } from 'vitest';
import { until } from '../../../../../test/support/until.ts';
import { GROUP, lockWait, setUpProducer } from '../../../test/setup-producer.ts';
import { MARIADBS } from '../../../test/stores.ts';

const MESSAGE = { topic: 'SEND_EMAIL_TOPIC', body: 'x', key: 'UAC:held' };

/** TPC may ask about a prepared message at once; without its row the answer would be that it rolled back. */
it.each(MARIADBS)('no prepare leaves before the outbox row is written, on %s', async (_name, open) => {
  const fixture = await setUpProducer(open);
  const { producer, fake, store, tpc } = fixture;
  const other = store.second();
  // The row of another transaction under the same key holds the INSERT back.
  const rival = await other.transaction();
  try {
    await rival('tpc_outbox').insert({ message_key: MESSAGE.key, state: 20, topic: MESSAGE.topic, body: Buffer.from(MESSAGE.body), created_at: 1 });
    const added = producer.transaction((_tx, outbox) => outbox.add(MESSAGE));
    await lockWait(other);
    // A call that is made now: TPC has heard by its answer whatever left before it.
    await tpc.registerProducer({ producerGroup: GROUP, storeId: 'other', instanceId: 'i', topics: [], host: 'h', outboxRetention: undefined });
    expect(fake.callsOf('batchSaveMessageWaitingConfirm')).toEqual([]);
    await rival.rollback();
    const key = await added;
    await until(() => fake.message(key)?.state === 20);
    expect(fake.callsOf('batchSaveMessageWaitingConfirm')).toHaveLength(1);
  } finally {
    if (!rival.isCompleted()) await rival.rollback();
    await fixture.close();
  }
});
