import mysql from 'mysql2';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { until } from '../../../test/support/until.ts';
import { storeAndDie, TestBed, TOPIC } from '../test/consumer-kit.ts';
import { setUpProducer } from '../test/setup-producer.ts';
import { TOGETHER } from '../test/stores.ts';

type Session = { query: (statement: unknown, ...rest: unknown[]) => unknown };
const { prototype } = (mysql as unknown as { Connection: { prototype: Session } }).Connection;

/** What is sent from now on. */
function watchPackets(): () => string[] {
  const spy = vi.spyOn(prototype, 'query');
  return () => spy.mock.calls.map(([statement]) => (typeof statement === 'string' ? statement : (statement as { sql: string }).sql));
}

describe(`round trips on ${TOGETHER[0]}`, () => {
  afterEach(() => void vi.restoreAllMocks());

  it('are two for a producer that writes its row and its message side by side', async () => {
    const fixture = await setUpProducer(TOGETHER[1]);
    try {
      await fixture.producer.start(); // asks the server what it can do
      const packets = watchPackets();
      const key = await fixture.producer.transaction(async (tx, outbox) => {
        const [added] = await Promise.all([outbox.add({ topic: 'SEND_EMAIL_TOPIC', body: 'x' }), tx('account').insert({ name: 'ada' })]);
        return added;
      });
      await until(async () => (await fixture.outbox())[key]?.state === 20);
      const sent = packets().filter((sql) => /autocommit|insert/i.test(sql));
      expect(sent).toEqual([
        // Side by side: either may be the first.
        expect.stringMatching(/^SET autocommit=0;\n(?=.*INSERT INTO tpc_outbox)(?=.*insert into `account`)[^;]*;\n[^;]*$/s),
        expect.stringMatching(/^SET autocommit = \(SELECT /),
      ]);
    } finally {
      await fixture.close();
    }
  });

  it("are two for a handler's transaction of one statement", async () => {
    const bed = await TestBed.open(TOGETHER[1]);
    try {
      await storeAndDie(bed.store.knex, ['m1'], 0);
      const packets = watchPackets();
      await bed.run({ handle: async (tx, { messageKey }) => void (await tx('effect').insert({ message_key: messageKey, by: TOPIC })) });
      await until(async () => (await bed.took('m1')) === 1);
      const first = packets().findIndex((sql) => sql.includes('insert into `effect`'));
      expect(packets()[first]).toMatch(/^SET autocommit=0;\nUPDATE tpc_inbox SET state = [^;]*;\ninsert into `effect` [^\n]*$/);
      await until(() => packets().includes('SET autocommit=1', first));
    } finally {
      await bed.close();
    }
  });
});
