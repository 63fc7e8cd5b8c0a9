/** The peer: a service that uses DTM's two-phase message. Prepare, business transaction with DTM's barrier row, submit. */
import { createServer } from 'node:http';
import { openDatabase } from '@tpc/platform';
import { now } from '../clock.ts';
import { body, PRODUCER_POOL } from '../settings.ts';
import { Callers, type Load, nextId, type Sent, type SentTable } from './callers.ts';
import { BARRIER_TABLE, INSERT_BARRIER, post } from './dtm-http.ts';
import { serve, setting } from './serve.ts';

const knex = openDatabase({ url: setting('BENCH_DATABASE_URL'), poolMax: PRODUCER_POOL });
await knex.raw(BARRIER_TABLE);
await knex.schema.createTable('dtm_order', (table) => {
  table.bigIncrements('id');
  table.string('customer', 64).notNullable();
  table.integer('cents').notNullable();
});

const server = setting('BENCH_DTM');
const action = setting('BENCH_DTM_ACTION');
/** DTM asks here when a submit does not come: the barrier row says whether the business has committed, and is put in its way when not. */
const queries = createServer(async (request, response) => {
  const gid = new URL(request.url ?? '', 'http://localhost').searchParams.get('gid') ?? '';
  await knex.raw(INSERT_BARRIER, ['msg', gid, '00', 'msg', '01', 'rollback']);
  const found = await knex('barrier').where({ gid, branch_id: '00', op: 'msg', barrier_id: '01' }).first('reason');
  response.writeHead(found?.reason === 'rollback' ? 409 : 200).end('{}');
});
await new Promise<void>((resolve) => queries.listen(0, '127.0.0.1', resolve));
const queryPrepared = `http://127.0.0.1:${(queries.address() as { port: number }).port}/query-prepared`;

const callers = new Callers();
const content = body();

async function order(): Promise<Sent> {
  const begun = now();
  const gid = nextId();
  const message = { gid, trans_type: 'msg', steps: [{ action }], payloads: [content], query_prepared: queryPrepared };
  await post(`${server}/api/dtmsvr/prepare`, message);
  await knex.transaction(async (tx) => {
    await tx.raw(INSERT_BARRIER, ['msg', gid, '00', 'msg', '01', 'msg']);
    await tx('dtm_order').insert({ customer: 'somebody', cents: 1_999 });
  });
  const committed = now();
  await post(`${server}/api/dtmsvr/submit`, message);
  return { id: gid, begun, committed };
}

serve(
  {
    run: ({ load }: { load: Load }): Promise<SentTable> => callers.run(load, order),
    consumed: (count: number) => callers.noteConsumed(count),
  },
  async () => {
    queries.close();
    await knex.destroy();
  },
);
