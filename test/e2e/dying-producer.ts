/**
 * A producer in a process of its own, which stops at a chosen place of its transaction, says so, and waits to be killed. Started by
 * check-back.test.ts.
 */
import { connectTpc, createProducer, type TpcConnection } from '@tpc/client/producer';
import { openDatabase } from '@tpc/platform';

const { DATABASE_URL, TPC_ADDRESS, STAGE, GROUP, TOPIC } = process.env as Record<string, string>;
const forever = new Promise<never>(() => setInterval(() => undefined, 60_000));
const knex = openDatabase({ url: DATABASE_URL as string });
const tpc = connectTpc({ address: TPC_ADDRESS as string });
const prepared = Promise.withResolvers<void>();

const producer = createProducer({
  knex,
  group: GROUP as string,
  tpc: STAGE === 'committed' ? withoutConfirm(tpc) : tpc,
  prepareBudgetMs: 10_000,
  sweep: { enabled: false },
  checkBack: { enabled: false },
  onEvent: (event) => {
    if (event.type === 'prepare' && event.outcome === 'prepared') prepared.resolve();
  },
});
await producer.start();
let key = '';
await producer.transaction(async (tx, outbox) => {
  await tx('business').insert({ id: 1 });
  key = await outbox.add({ topic: TOPIC as string, body: 'from a process that dies' });
  await prepared.promise;
  if (STAGE === 'prepared') await stopHere();
});
await stopHere();

function stopHere(): Promise<never> {
  process.send?.({ key });
  return forever;
}

/** The network swallows every confirm. */
function withoutConfirm(connection: TpcConnection): TpcConnection {
  return { ...connection, confirmAndSendMessage: () => forever, batchConfirmAndSendMessage: () => forever };
}
