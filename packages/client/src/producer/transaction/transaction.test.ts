import type { BatchSaveMessageWaitingConfirmRequest } from '@tpc/gen/tpc/v1/reliable_message_service';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../../test/support/until.ts';
import { type ProducerFixture, setUpProducer } from '../../../test/setup-producer.ts';
import { COMMITTING_STORES } from '../../../test/stores.ts';
import { FakeRefusal } from '../../testing/index.ts';

const MESSAGE = { topic: 'SEND_EMAIL_TOPIC', tag: 'ACTIVATION', body: '{"to":"a@b.c"}' };

describe.each(COMMITTING_STORES)('a transaction on %s', (name, open) => {
  let fixture: ProducerFixture;
  beforeEach(async () => {
    fixture = await setUpProducer(open);
  });
  afterEach(() => fixture.close());

  it('commits business row and outbox row, prepares before, confirms after, and marks the row acknowledged', async () => {
    const { producer, fake } = fixture;
    const key = await producer.transaction(async (tx, outbox) => {
      await tx('account').insert({ name: 'ada' });
      return outbox.add({ ...MESSAGE, headers: { locale: 'zh' }, contentType: 'application/json' });
    });
    await until(async () => (await fixture.outbox())[key]?.state === 20);
    expect(await fixture.accounts()).toEqual(['ada']);
    expect(fake.message(key)).toMatchObject({ state: 20, sends: 1, producerGroup: 'UAC', storeId: producer.state().storeId });
    expect(fake.message(key)?.content).toMatchObject({ topic: 'SEND_EMAIL_TOPIC', tag: 'ACTIVATION', headers: { locale: 'zh' } });
    expect(fake.message(key)?.content.data?.toString()).toBe(MESSAGE.body);
    const methods = fake.calls.map((call) => call.method);
    expect(methods).toEqual(['batchSaveMessageWaitingConfirm', 'batchConfirmAndSendMessage']);
    expect((await fixture.outbox())[key]).toMatchObject({ due_at: null, claim: null });
  });

  it('takes business row and message side by side', async () => {
    const { producer } = fixture;
    const order = (name: string) =>
      producer.transaction((tx, outbox) => Promise.all([outbox.add(MESSAGE), tx('account').insert({ name })]).then(([key]) => key));
    const key = await order('ada');
    await expect(order('ada')).rejects.toThrow(/duplicate|UNIQUE/i);
    await until(async () => (await fixture.outbox())[key]?.state === 20);
    expect(Object.keys(await fixture.outbox())).toEqual([key]);
    expect(await fixture.accounts()).toEqual(['ada']);
  });

  it('has its outbox row inserted, and not committed, when prepare arrives', async () => {
    const { producer, fake, store } = fixture;
    const seen: { fromOutside: number; locked: boolean }[] = [];
    const other = store.second();
    fake.beforeCall = async ({ method, request }) => {
      if (method !== 'batchSaveMessageWaitingConfirm') return;
      const [message] = (request as BatchSaveMessageWaitingConfirmRequest).messages;
      const key = message?.messageKey as string;
      const fromOutside = await other('tpc_outbox').where({ message_key: key });
      const locked =
        name === 'SQLite'
          ? producer.state().openKeys === 1
          : await other.raw('SELECT state FROM tpc_outbox WHERE message_key = ? FOR UPDATE NOWAIT', [key]).then(
              () => false,
              (error) => error.errno === 1205 || error.errno === 3572,
            );
      seen.push({ fromOutside: fromOutside.length, locked });
    };
    await producer.transaction(async (_tx, outbox) => {
      await outbox.add(MESSAGE);
      await fake.until(() => fake.calls.length > 0);
    });
    expect(seen).toEqual([{ fromOutside: 0, locked: true }]);
  });

  it('waits for the answer to prepare before COMMIT', async () => {
    const { producer, fake } = fixture;
    let release = () => {};
    fake.beforeCall = ({ method }) => (method === 'batchSaveMessageWaitingConfirm' ? new Promise((resolve) => (release = resolve)) : undefined);
    let committed = false;
    const transaction = producer.transaction((_tx, outbox) => outbox.add(MESSAGE)).then(() => (committed = true));
    await fake.until(() => fake.calls.length === 1);
    expect(committed).toBe(false);
    expect(producer.state().openTransactions).toBe(1);
    release();
    await transaction;
    expect(producer.state()).toMatchObject({ openTransactions: 0, openKeys: 0 });
  });

  it('rolls back everything and deletes what was prepared when the work throws', async () => {
    const { producer, fake } = fixture;
    const failure = new Error('no such thing');
    const work = producer.transaction(async (tx, outbox) => {
      await tx('account').insert({ name: 'ada' });
      await outbox.add(MESSAGE);
      await fake.until(() => fake.messages.length === 1);
      throw failure;
    });
    await expect(work).rejects.toBe(failure);
    await fake.until(() => fake.messages[0]?.state === 40);
    expect(await fixture.accounts()).toEqual([]);
    expect(await fixture.outbox()).toEqual({});
    expect(fake.callsOf('batchConfirmAndSendMessage')).toHaveLength(0);
  });

  it('rolls back with the reason when TPC refuses the message', async () => {
    const { producer, fake } = fixture;
    fake.beforeItem = () => {
      throw new FakeRefusal('FAILED_PRECONDITION', 'TPC100500010', 'nobody subscribes SEND_EMAIL_TOPIC');
    };
    const work = producer.transaction(async (tx, outbox) => {
      await tx('account').insert({ name: 'ada' });
      await outbox.add(MESSAGE);
    });
    await expect(work).rejects.toMatchObject({ name: 'TpcError', reason: 'TPC100500010' });
    expect(await fixture.accounts()).toEqual([]);
    expect(await fixture.outbox()).toEqual({});
    expect(producer.state().mode).toBe('online');
  });

  it('deletes the prepared message when another one of the transaction is refused', async () => {
    const { producer, fake } = fixture;
    fake.beforeItem = (_method, key) => {
      if (key === 'UAC:bad') throw new FakeRefusal('INVALID_ARGUMENT', 'TPC100500010');
    };
    const work = producer.transaction(async (_tx, outbox) => {
      await outbox.add({ ...MESSAGE, key: 'UAC:good' });
      await outbox.add({ ...MESSAGE, key: 'UAC:bad' });
    });
    await expect(work).rejects.toMatchObject({ reason: 'TPC100500010' });
    await fake.until(() => fake.message('UAC:good')?.state === 40);
  });

  it('sends a SAVE_AND_SEND message after COMMIT and never before', async () => {
    const { producer, fake } = fixture;
    let callsBeforeCommit = -1;
    const key = await producer.transaction(async (tx, outbox) => {
      const added = await outbox.add({ ...MESSAGE, sendType: 'SAVE_AND_SEND' });
      await tx('account').insert({ name: 'ada' });
      callsBeforeCommit = fake.calls.length;
      return added;
    });
    await until(async () => (await fixture.outbox())[key]?.state === 20);
    expect(callsBeforeCommit).toBe(0);
    expect(fake.calls.map((call) => [call.method, (call.request as { committed?: boolean }).committed])).toEqual([['batchSaveAndSendMessage', true]]);
    const alone = await producer.saveAndSend(MESSAGE);
    await until(async () => (await fixture.outbox())[alone]?.state === 20);
    expect(fake.message(alone)?.sends).toBe(1);
  });

  it('sends the whole message when TPC has something against its confirm', async () => {
    const { producer, fake } = fixture;
    fake.beforeItem = (method) => {
      if (method === 'batchConfirmAndSendMessage') throw new FakeRefusal('FAILED_PRECONDITION', 'CONTENT_NEEDED');
    };
    const key = await producer.transaction((_tx, outbox) => outbox.add(MESSAGE));
    await until(async () => (await fixture.outbox())[key]?.state === 20);
    expect(fake.message(key)).toMatchObject({ state: 20, sends: 1 });
    expect(fake.callsOf('batchSaveAndSendMessage')).toHaveLength(1);
  });

  it('makes many concurrent transactions share requests', async () => {
    const { producer, fake } = fixture;
    const keys = await Promise.all(Array.from({ length: 40 }, () => producer.transaction((_tx, outbox) => outbox.add(MESSAGE))));
    await until(async () => Object.values(await fixture.outbox()).every((row) => row.state === 20));
    expect(new Set(keys).size).toBe(40);
    expect(fake.messages.every((message) => message.sends === 1)).toBe(true);
    if (name !== 'SQLite') expect(fake.callsOf('batchSaveMessageWaitingConfirm').length).toBeLessThan(40);
  });
});
