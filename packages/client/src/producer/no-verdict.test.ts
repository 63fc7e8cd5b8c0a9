import { Verdict } from '@tpc/gen/tpc/v1/reliable_message_service';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type MySqlProxy, startMySqlProxy } from '../../test/mysql-proxy.ts';
import { MARIADB, type TestStore } from '../../test/stores.ts';
import { migrateClientStore } from '../migrations/index.ts';
import { judgeAbsent } from './check-back/check-back.ts';
import { OpenKeys } from './transaction/open-keys.ts';

const KEY = 'UAC:1';

describe('the verdict on a key without a committed row', () => {
  let store: TestStore;
  let proxy: MySqlProxy;
  beforeEach(async () => {
    store = await MARIADB[1]();
    await migrateClientStore(store.knex);
    const server = new URL(process.env.TEST_MYSQL_URL as string);
    proxy = await startMySqlProxy({ host: server.hostname, port: Number(server.port) });
  });
  afterEach(async () => {
    await proxy.close();
    await store.drop();
  });

  it.each([
    ['the look at its row', 'NOWAIT', 'before'],
    ['the look at its row', 'NOWAIT', 'after'],
    ['the barrier', 'INSERT INTO tpc_outbox', 'before'],
    ['the barrier', 'INSERT INTO tpc_outbox', 'after'],
    ['the end of the transaction', 'COMMIT', 'before'],
    ['the end of the transaction', 'COMMIT', 'after'],
  ] as const)('is none when the connection is lost at %s (%s, %s it reached the server)', async (_what, words, when) => {
    proxy.cutAt(words, when);
    expect(await judgeAbsent(store.second(proxy.port), 'UAC', KEY, new OpenKeys())).toBe(Verdict.VERDICT_UNSPECIFIED);
  });

  it('waits for nothing while another process holds the row', async () => {
    const holder = await store.knex.transaction();
    await holder('tpc_outbox').insert({ message_key: KEY, state: 10, created_at: 1 });
    const asking = store.second();
    // The server would end a look that waits; its error is none of those that mean an open transaction.
    const session = await asking.client.acquireConnection();
    await asking.client.query(session, 'SET SESSION max_statement_time = 5');
    await asking.client.releaseConnection(session);
    const verdict = await judgeAbsent(asking, 'UAC', KEY, new OpenKeys()).finally(() => holder.rollback());
    expect(verdict).toBe(Verdict.VERDICT_IN_PROGRESS);
  });
});
