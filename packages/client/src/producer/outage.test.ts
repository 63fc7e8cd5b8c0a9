import { afterEach, describe, expect, it } from 'vitest';
import { until } from '../../../../test/support/until.ts';
import { type ProducerFixture, setUpProducer } from '../../test/setup-producer.ts';
import { STORES } from '../../test/stores.ts';
import { FakeRefusal } from '../testing/index.ts';
import type { ProducerOptions } from './config.ts';

const MESSAGE = { topic: 'SEND_EMAIL_TOPIC', body: 'x' };
const SWEEPING: Partial<ProducerOptions> = { sweep: { enabled: true, firstWaitMs: 1, intervalMs: 10 } };

describe.each(STORES)('while TPC is away, on %s', (_name, open) => {
  let fixture: ProducerFixture;
  afterEach(() => fixture.close());

  it('commits without TPC and delivers once after its return', async () => {
    fixture = await setUpProducer(open, SWEEPING);
    const { producer, fake } = fixture;
    fake.die();
    await producer.start();
    const keys = [];
    for (const name of ['ada', 'bob', 'cyd'])
      keys.push(
        await producer.transaction(async (tx, outbox) => {
          await tx('account').insert({ name });
          return outbox.add(MESSAGE);
        }),
      );
    expect(await fixture.accounts()).toEqual(['ada', 'bob', 'cyd']);
    expect(producer.state().mode).toBe('outbox_only');
    await fake.start();
    await until(async () => Object.values(await fixture.outbox()).every((row) => row.state === 20));
    expect(fake.messages.map((message) => [message.key, message.sends]).sort()).toEqual(keys.map((key) => [key, 1]).sort());
    expect(producer.state().mode).toBe('online');
  });

  it('does not wait for a frozen TPC beyond the budget, and asks it no more until a probe is answered', async () => {
    fixture = await setUpProducer(open, { ...SWEEPING, prepareBudgetMs: 100, callDeadlineMs: 500 });
    const { producer, fake } = fixture;
    fake.freeze();
    await producer.transaction(async (tx, outbox) => {
      await tx('account').insert({ name: 'ada' });
      await outbox.add(MESSAGE);
    });
    expect(producer.state().mode).toBe('outbox_only');
    const asked = fake.callsOf('batchSaveMessageWaitingConfirm').length;
    expect(asked).toBe(1);
    await producer.transaction(async (tx, outbox) => {
      await tx('account').insert({ name: 'bob' });
      await outbox.add(MESSAGE);
    });
    expect(fake.callsOf('batchSaveMessageWaitingConfirm', 'batchConfirmAndSendMessage', 'batchSaveAndSendMessage')).toHaveLength(asked);
    expect(await fixture.accounts()).toEqual(['ada', 'bob']);
    fake.thaw();
    await producer.start();
    await until(async () => Object.values(await fixture.outbox()).every((row) => row.state === 20));
    expect(producer.state().mode).toBe('online');
    expect(fake.messages.filter((message) => message.state === 20)).toHaveLength(2);
    await producer.transaction((_tx, outbox) => outbox.add(MESSAGE));
    expect(fake.callsOf('batchSaveMessageWaitingConfirm')).toHaveLength(asked + 1);
  });

  it('sends what was committed meanwhile as soon as TPC answers again, before the sweeper looks at it', async () => {
    fixture = await setUpProducer(open, { callDeadlineMs: 500 });
    const { producer, fake } = fixture;
    const unsure = Promise.withResolvers<void>();
    fake.beforeCall = async ({ method }) => {
      if (method !== 'batchConfirmAndSendMessage') return;
      unsure.resolve();
      await new Promise(() => {});
    };
    const confirmLost = await producer.transaction((_tx, outbox) => outbox.add(MESSAGE));
    await unsure.promise;
    fake.die();
    const keys = [confirmLost];
    for (const sendType of ['WAIT_CONFIRM', 'WAIT_CONFIRM', 'SAVE_AND_SEND'] as const)
      keys.push(await producer.transaction((_tx, outbox) => outbox.add({ ...MESSAGE, sendType })));
    await until(() => producer.state().mode === 'outbox_only' && producer.state().pendingConfirms === 0);
    fake.beforeCall = () => undefined;
    await fake.start();
    await producer.start();
    await until(async () => Object.values(await fixture.outbox()).every((row) => row.state === 20));
    expect(fake.messages.map((message) => [message.key, message.state, message.sends]).sort()).toEqual(keys.map((key) => [key, 20, 1]).sort());
  });

  it('delivers what a process committed right before it died', async () => {
    fixture = await setUpProducer(open, { sweep: { enabled: false, firstWaitMs: 0 }, callDeadlineMs: 500 });
    const { producer, fake } = fixture;
    fake.beforeCall = ({ method }) => (method === 'batchConfirmAndSendMessage' ? new Promise(() => {}) : undefined);
    const key = await producer.transaction((_tx, outbox) => outbox.add(MESSAGE));
    expect(fake.message(key)?.state).toBe(10);
    const successor = fixture.replica();
    await until(async () => (await successor.sweepOnce()).sent === 1);
    await until(async () => (await fixture.outbox())[key]?.state === 20);
    expect(fake.message(key)).toMatchObject({ state: 20, sends: 1 });
    expect(await successor.sweepOnce()).toEqual({ claimed: 0, sent: 0, failed: 0 });
  });

  it('starts and registers again and again while TPC comes and goes', async () => {
    fixture = await setUpProducer(open);
    const { producer, fake } = fixture;
    fake.heartbeatMs = 100;
    fake.die();
    await producer.start();
    await until(() => producer.state().mode === 'outbox_only');
    await fake.start();
    await fake.until(() => fake.callsOf('registerProducer').length >= 3);
    expect(producer.state()).toMatchObject({ mode: 'online', registered: true });
    expect(fake.callsOf('registerProducer')[0]?.request).toMatchObject({ producerGroup: 'UAC', storeId: producer.state().storeId });
  });

  it('takes a wrong token for an outage of the link, not for a refusal of the message', async () => {
    fixture = await setUpProducer(open);
    const { producer, fake } = fixture;
    fake.beforeCall = () => {
      throw new FakeRefusal('UNAUTHENTICATED', 'BAD_TOKEN');
    };
    const key = await producer.transaction((_tx, outbox) => outbox.add(MESSAGE));
    expect((await fixture.outbox())[key]?.state).toBe(10);
  });
});
