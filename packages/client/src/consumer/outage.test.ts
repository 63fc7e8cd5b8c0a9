import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../test/support/until.ts';
import { GROUP, TestBed, TOPIC, takeEffect } from '../../test/consumer-kit.ts';
import { STORES } from '../../test/stores.ts';
import { TpcError } from '../connection/index.ts';
import { silentLog } from '../log.ts';
import { FakeRefusal } from '../testing/index.ts';

describe.each(STORES)('consumer on %s, while something is away', (_name, makeStore) => {
  let bed: TestBed;
  beforeEach(async () => {
    bed = await TestBed.open(makeStore);
  });
  afterEach(() => bed.close());

  const consumed = (key: string) => async () => (await bed.inbox(key))?.state === 30;
  const deliver = (...keys: string[]) => bed.broker.deliver(...keys.map((messageKey) => ({ messageKey, topic: TOPIC, body: 'x' })));

  it('tells TPC after its return what was consumed while it was away', async () => {
    await bed.run({ handle: takeEffect });
    bed.tpc.die();
    deliver('r1', 'r2');
    await until(consumed('r1'));
    await until(consumed('r2'));
    await bed.tpc.start();
    await until(() => new Set(bed.heard('consumed').map((report) => report.messageKey)).size === 2);
    await until(async () => (await bed.inbox('r1'))?.report_due_at === null);
  });

  it('reports what a process committed and died before it reported', async () => {
    bed.tpc.die();
    const first = bed.make({ handle: takeEffect });
    await first.start();
    await until(() => first.state().running);
    deliver('d1');
    await until(consumed('d1'));
    await first.stop(2_000);
    await bed.tpc.start();
    await bed.run({ handle: takeEffect });
    await until(() => bed.heard('consumed').length > 0);
    expect(await bed.took('d1')).toBe(1);
  });

  it('repeats a report that TPC has refused ever more slowly, and others as usual', async () => {
    bed.tpc.beforeItem = (method, key) => {
      if (method === 'batchConfirmConsumedMessage' && key === 'no') throw new FakeRefusal('INVALID_ARGUMENT', 'TPC1');
    };
    await bed.run({ handle: takeEffect });
    deliver('no', 'yes');
    await until(async () => Number((await bed.inbox('no'))?.report_attempts) >= 2);
    await until(async () => (await bed.inbox('yes'))?.report_due_at === null);
    expect(bed.heard('consumed').filter((report) => report.messageKey === 'yes')).toHaveLength(1);
  });

  it('receives and handles while TPC is away, and registers when it comes', async () => {
    bed.tpc.die();
    const consumer = bed.make({ handle: takeEffect });
    await consumer.start();
    let registered = false;
    void consumer.registered().then(() => {
      registered = true;
    });
    await until(() => consumer.state().running);
    deliver('a1');
    await until(consumed('a1'));
    expect(registered).toBe(false);
    expect(consumer.state()).toMatchObject({ registration: 'pending' });
    await bed.tpc.start();
    await consumer.registered();
    expect(consumer.state()).toMatchObject({ registration: 'registered', registrationError: '' });
  });

  it('registers only once its subscriber is ready, with what it subscribes, and says when it is idle', async () => {
    bed.broker.setAvailable(false);
    bed.tpc.heartbeatMs = 200;
    const consumer = bed.make({ handle: takeEffect }, { inboxRetentionMs: 90_000, host: 'pod-1', instanceId: 'i-1' });
    await consumer.start();
    await until(() => consumer.state().running);
    expect(bed.tpc.callsOf('registerConsumer')).toEqual([]);
    bed.broker.setAvailable(true);
    await consumer.registered();
    await until(() => bed.tpc.callsOf('registerConsumer').some((call) => (call.request as { idle: boolean }).idle));
    expect(bed.tpc.callsOf('registerConsumer')[0]?.request).toMatchObject({
      consumerGroup: GROUP,
      instanceId: 'i-1',
      host: 'pod-1',
      subscriptions: [{ topic: TOPIC, tags: [], idle: expect.any(Boolean) }],
      inboxRetention: { seconds: 90n, nanos: 0 },
    });
  });

  it('says once in its log, and in its state, what TPC finds wrong with the subscriptions of the group, until that has ended', async () => {
    bed.tpc.heartbeatMs = 200;
    const said: string[] = [];
    const note = (fields: object, message: string) =>
      void (/take different tags|takes what|take the same/.test(message) && said.push(JSON.stringify(fields)));
    const consumer = await bed.run({ handle: takeEffect }, { log: { ...silentLog, warn: note, info: note } });
    expect(consumer.state().subscriptionFaults).toEqual({ differing: [], untaken: [] });
    const faults = { differing: [`${TOPIC}:A`], untaken: [`${TOPIC}:B`] };
    bed.tpc.faults = faults;
    await until(() => consumer.state().subscriptionFaults.differing.length > 0);
    expect(consumer.state().subscriptionFaults).toEqual(faults);
    const heartbeats = bed.tpc.callsOf('registerConsumer').length;
    await until(() => bed.tpc.callsOf('registerConsumer').length > heartbeats + 1);
    bed.tpc.faults = { differing: [], untaken: [] };
    await until(() => consumer.state().subscriptionFaults.differing.length === 0);
    expect(said).toEqual([
      JSON.stringify({ consumer_group: GROUP, ...faults }),
      JSON.stringify({ consumer_group: GROUP, differing: [], untaken: [] }),
    ]);
  });

  it('receives nothing while TPC has bound the group to another inbox, and goes on once it is rebound', async () => {
    let bound = false;
    bed.tpc.beforeCall = ({ method }) => {
      if (method === 'registerConsumer' && !bound) throw new FakeRefusal('FAILED_PRECONDITION', 'INBOX_STORE_CONFLICT', 'bound to another store');
    };
    const consumer = bed.make({ handle: takeEffect });
    await consumer.start();
    await until(() => consumer.state().registration === 'refused');
    expect(consumer.state()).toMatchObject({ running: false, registrationError: 'INBOX_STORE_CONFLICT: bound to another store' });
    deliver('x1');
    const refusals = bed.tpc.callsOf('registerConsumer').length;
    await until(() => bed.tpc.callsOf('registerConsumer').length > refusals + 1);
    expect(bed.broker.unacknowledged(GROUP)).toBe(1);
    bound = true;
    await until(() => consumer.state().registration === 'registered');
    await consumer.registered();
    await until(consumed('x1'));
  });

  it('tells whoever waits for its registration that TPC refuses it, and what stands in the way when the time is over', async () => {
    bed.tpc.beforeCall = () => {
      throw new FakeRefusal('FAILED_PRECONDITION', 'INBOX_STORE_CONFLICT', 'bound to another store');
    };
    const refused = bed.make({ handle: takeEffect });
    await refused.start();
    const error = await refused.registered().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TpcError);
    expect(error).toMatchObject({ message: 'bound to another store' });
    bed.tpc.die();
    const unheard = bed.make({ handle: takeEffect }, { instanceId: 'unheard' });
    await unheard.start();
    await until(() => unheard.state().registrationError !== '');
    await expect(unheard.registered({ timeoutMs: 1 })).rejects.toThrow(/within 1 ms: (?!TPC gives no answer).+/);
    bed.broker.setAvailable(false);
    const cut = bed.make({ handle: takeEffect }, { group: 'CID_CUT' });
    await cut.start();
    await expect(cut.registered({ timeoutMs: 1 })).rejects.toThrow('the broker cannot be reached: the broker is away');
    await bed.tpc.start();
  });

  it('acknowledges nothing that it could not store, and stores it when it comes again', async () => {
    let looked = 0;
    const count = (_fields: object, message: string) => void (message.startsWith('the inbox cannot be read') && looked++);
    await bed.run({ handle: takeEffect }, { log: { ...silentLog, debug: count } });
    await bed.store.knex.schema.renameTable('tpc_inbox', 'tpc_inbox_away');
    deliver('w1', 'w2');
    await until(() => bed.broker.redelivered(GROUP) > 0);
    // While it looks, it receives nothing, so that the broker's deliveries are not used up.
    await until(() => looked >= 3);
    expect(bed.broker.redelivered(GROUP)).toBe(2);
    expect(bed.broker.unacknowledged(GROUP)).toBe(2);
    await bed.store.knex.schema.renameTable('tpc_inbox_away', 'tpc_inbox');
    await until(consumed('w1'));
    await until(consumed('w2'));
    expect(await bed.took('w1')).toBe(1);
  });
});
