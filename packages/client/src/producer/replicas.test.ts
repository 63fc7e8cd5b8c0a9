import { afterEach, expect, it } from 'vitest';
import { until } from '../../../../test/support/until.ts';
import { type ProducerFixture, setUpProducer } from '../../test/setup-producer.ts';
import { SQLITE } from '../../test/stores.ts';
import { connectTpc, type TpcConnection } from '../connection/index.ts';
import { FakeTpc } from '../testing/index.ts';

const MESSAGE = { topic: 'SEND_EMAIL_TOPIC', body: 'x' };

let fixture: ProducerFixture;
let other: FakeTpc;
let tpc: TpcConnection;
afterEach(async () => {
  await fixture.close();
  tpc.close();
  other.die();
});

async function twoReplicas() {
  fixture = await setUpProducer(SQLITE[1]);
  other = await new FakeTpc().start();
  tpc = connectTpc({ address: `ipv4:${fixture.fake.address},${other.address}` });
  const modes: string[] = [];
  const producer = fixture.replica({
    tpc,
    prepareBudgetMs: 200,
    callDeadlineMs: 400,
    onEvent: (event) => event.type === 'mode' && modes.push(event.mode),
  });
  await producer.start();
  const add = () => producer.transaction((_tx, outbox) => outbox.add(MESSAGE));
  const bothAsked = () => fixture.fake.calls.length > 0 && other.calls.length > 0;
  // Both replicas are connected before one of them freezes.
  while (!bothAsked()) await add();
  return { producer, modes, add };
}

it('goes on with one replica of TPC when the other has frozen, and sends what the frozen one has left', async () => {
  const { producer, modes, add } = await twoReplicas();
  fixture.fake.freeze();
  for (let n = 0; n < 12; n++) await add();
  await until(async () => Object.values(await fixture.outbox()).every((row) => row.state === 20));
  expect(modes).toEqual([]);
  expect(producer.state().mode).toBe('online');
});

it('asks none of them for a while when all have frozen, and goes on when one is back', async () => {
  const { producer, modes, add } = await twoReplicas();
  fixture.fake.freeze();
  other.freeze();
  while (producer.state().mode === 'online') await add();
  fixture.fake.thaw();
  await until(async () => Object.values(await fixture.outbox()).every((row) => row.state === 20));
  expect(modes.slice(0, 2)).toEqual(['outbox_only', 'online']);
  other.thaw();
});
