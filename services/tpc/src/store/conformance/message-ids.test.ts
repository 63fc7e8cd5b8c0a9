import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { markDeliveries } from '../deliveries/mark-deliveries.ts';
import { confirmMessages } from '../producers/confirm-messages.ts';
import { saveMessages } from '../producers/save-messages.ts';
import { consumed, copiesOf, itemOf, newClaim, PRODUCER, prepare, rowOf, subscribe } from './fixtures.ts';
import { STORES, type TestStore } from './stores.ts';

const key = (n: number | string) => `${PRODUCER}:${n}`;
const confirm = (test: TestStore, ...keys: string[]) =>
  confirmMessages(
    test.ctx,
    keys.map((messageKey) => ({ producerGroup: PRODUCER, messageKey })),
    newClaim(),
  );

describe.each(STORES)('remembered ids, on %s', (_name, open) => {
  let test: TestStore;
  beforeAll(async () => {
    test = await open();
  });
  afterAll(() => test.close());
  beforeEach(async () => {
    await test.reset();
    await subscribe(test);
  });

  it('are those of the rows, and spare the look by key', async () => {
    const keys = ['b', 'a', 'c'].map(key);
    await saveMessages(
      test.ctx,
      keys.map((messageKey) => itemOf(messageKey)),
    );
    for (const messageKey of keys) expect(test.ctx.ids.get(messageKey)).toBe((await rowOf(test, messageKey)).id);
    const looks: string[] = [];
    const listen = ({ sql }: { sql: string }) => {
      if (sql.includes('WHERE message_key IN')) looks.push(sql);
    };
    test.knex.on('query', listen);
    await confirm(test, ...keys);
    const marks = await markDeliveries(
      test.ctx,
      keys.map((messageKey) => consumed(messageKey)),
    );
    test.knex.removeListener('query', listen);
    expect([marks, looks]).toEqual([keys.map(() => ({ tracked: true })), []]);
    for (const messageKey of keys) expect((await rowOf(test, messageKey)).state).toBe(30);
  });

  it('that are wrong cost a look, and touch no other message', async () => {
    await prepare(test, key('a'), key('b'), key('other'));
    const mislead = async () => {
      test.ctx.ids.note(key('a'), (await rowOf(test, key('other'))).id as number);
      test.ctx.ids.note(key('b'), 999_999);
      test.ctx.ids.note(key('none'), (await rowOf(test, key('other'))).id as number);
    };
    await mislead();
    const { results, publish } = await confirm(test, key('a'), key('b'), key('none'));
    expect(results).toMatchObject([{ state: 20 }, { state: 20 }, { refused: 'MESSAGE_NOT_FOUND' }]);
    expect(publish.map(({ messageKey }) => messageKey).sort()).toEqual([key('a'), key('b')]);
    await mislead();
    const marks = await markDeliveries(test.ctx, [consumed(key('a')), consumed(key('none')), consumed(key('b'))]);
    expect(marks).toEqual([{ tracked: true }, { tracked: false }, { tracked: true }]);
    expect((await copiesOf(test, key('a')))[0]).toMatchObject({ status: 30, consume_count: 1 });
    expect((await rowOf(test, key('b'))).state).toBe(30);
    expect((await rowOf(test, key('other'))).state).toBe(10);
  });
});
