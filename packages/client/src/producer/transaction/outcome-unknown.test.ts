import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../../test/support/until.ts';
import { type MySqlProxy, startMySqlProxy } from '../../../test/mysql-proxy.ts';
import { type ProducerFixture, setUpProducer } from '../../../test/setup-producer.ts';
import { MARIADBS, SQLITE } from '../../../test/stores.ts';
import { OutcomeUnknown } from '../errors.ts';

const MESSAGE = { topic: 'SEND_EMAIL_TOPIC', body: 'x' };

describe.each(MARIADBS)('COMMIT without an answer, on %s', (_name, open) => {
  let fixture: ProducerFixture;
  let proxy: MySqlProxy;
  beforeEach(async () => {
    fixture = await setUpProducer(open, { sweep: { enabled: false, firstWaitMs: 0 } });
    const server = new URL(process.env.TEST_MYSQL_URL as string);
    proxy = await startMySqlProxy({ host: server.hostname, port: Number(server.port) });
  });
  afterEach(async () => {
    await proxy.close();
    await fixture.close();
  });

  it.each(['before', 'after'] as const)(
    'lost %s it reached the server: OutcomeUnknown, no delete, no confirm; check-back finds the truth',
    async (when) => {
      const { fake, replica, store } = fixture;
      const cutOff = replica({ knex: store.second(proxy.port) });
      let key = '';
      const work = cutOff.transaction(async (tx, outbox) => {
        await tx('account').insert({ name: 'ada' });
        key = await outbox.add(MESSAGE);
        proxy.cutAtCommit(when);
      });
      await expect(work).rejects.toBeInstanceOf(OutcomeUnknown);
      expect(cutOff.state().pendingConfirms).toBe(0);
      expect(fake.callsOf('deleteMessageByMessageKey', 'batchConfirmAndSendMessage')).toEqual([]);
      expect(fake.message(key)?.state).toBe(10);
      const successor = replica();
      if (when === 'after') {
        expect(await fixture.accounts()).toEqual(['ada']);
        fake.askAbout(key);
        expect(await successor.answerOnce()).toBe(1);
        expect(fake.message(key)).toMatchObject({ state: 20, sends: 1 });
      } else {
        // The server may need a moment to see that the connection is gone: until then the row is locked, and that is no verdict.
        await until(async () => {
          fake.askAbout(key);
          await successor.answerOnce();
          return fake.message(key)?.state === 40;
        });
        expect(await fixture.accounts()).toEqual([]);
        expect((await fixture.outbox())[key]?.state).toBe(90);
      }
    },
  );
});

describe('COMMIT that fails, on SQLite', () => {
  let fixture: ProducerFixture;
  beforeEach(async () => {
    fixture = await setUpProducer(SQLITE[1]);
  });
  afterEach(() => fixture.close());

  it('tells OutcomeUnknown when COMMIT fails, and the connection works on', async () => {
    const { producer, store, fake } = fixture;
    await store.knex.raw('PRAGMA foreign_keys = ON');
    await store.knex.raw('CREATE TABLE child (parent TEXT REFERENCES account (name) DEFERRABLE INITIALLY DEFERRED)');
    const work = producer.transaction(async (tx, outbox) => {
      await tx('child').insert({ parent: 'nobody' });
      await outbox.add(MESSAGE);
    });
    await expect(work).rejects.toBeInstanceOf(OutcomeUnknown);
    expect(fake.callsOf('deleteMessageByMessageKey')).toEqual([]);
    expect(await fixture.outbox()).toEqual({});
    await producer.transaction((tx) => tx('account').insert({ name: 'ada' }));
    expect(await fixture.accounts()).toEqual(['ada']);
  });
});
