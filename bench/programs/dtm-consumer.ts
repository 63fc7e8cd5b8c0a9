/** The peer's consumer: an HTTP participant, its row and DTM's barrier row in one transaction. */
import { createServer, type IncomingMessage } from 'node:http';
import { openDatabase } from '@tpc/platform';
import { CONSUMER_POOL } from '../settings.ts';
import { Arrivals } from './arrivals.ts';
import { BARRIER_TABLE, INSERT_BARRIER } from './dtm-http.ts';
import { serve, setting } from './serve.ts';

const knex = openDatabase({ url: setting('BENCH_DATABASE_URL'), poolMax: CONSUMER_POOL });
await knex.raw(BARRIER_TABLE);
await knex.schema.createTable('dtm_done', (table) => {
  table.string('message_key', 64).primary();
  table.integer('bytes').notNullable();
});

const arrivals = new Arrivals();

async function consume(request: IncomingMessage): Promise<void> {
  const parameters = new URL(request.url ?? '', 'http://localhost').searchParams;
  const [gid = '', branch = '', op = ''] = ['gid', 'branch_id', 'op'].map((name) => parameters.get(name) ?? '');
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  arrivals.note('received', [gid]);
  await knex.transaction(async (tx) => {
    const [{ affectedRows }] = (await tx.raw(INSERT_BARRIER, ['msg', gid, branch, op, '01', op])) as [{ affectedRows: number }];
    // The barrier was there: this is a repeat.
    if (affectedRows === 1) await tx('dtm_done').insert({ message_key: gid, bytes: Buffer.concat(parts).length });
  });
  arrivals.note('consumed', [gid]);
}

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  consume(request).then(
    () => response.end('{"dtm_result":"SUCCESS"}'),
    (error: unknown) => response.writeHead(500).end(String(error)),
  );
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const { port } = server.address() as { port: number };

serve({ address: () => `http://127.0.0.1:${port}/consume`, count: () => arrivals.consumed, take: () => arrivals.take() }, async () => {
  server.close();
  server.closeAllConnections();
  await knex.destroy();
});
