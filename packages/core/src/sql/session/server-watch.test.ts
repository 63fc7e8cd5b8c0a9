import { expect, it } from 'vitest';
import type { Connection, MysqlClient } from '../types.ts';
import { ServerWatch } from './server-watch.ts';

/** A client whose connections are to servers of these names. */
const client = {
  query: async (connection: { server: string }) => ({ response: [[{ Variable_name: 'hostname', Value: connection.server }]] }),
} as unknown as MysqlClient;

function connect(server: string) {
  const destroy = () => {
    connection.ended = true;
  };
  const connection = { server, ended: false, stream: { destroy } };
  return connection;
}

async function admitted(watch: ServerWatch, server: string) {
  const connection = connect(server);
  await watch.admit(client, connection as unknown as Connection);
  return connection;
}

it('forgets, and ends the sessions of the server before, when another one answers', async () => {
  const watch = new ServerWatch();
  let forgotten = 0;
  watch.onChange(() => forgotten++);
  const old = [await admitted(watch, 'a'), await admitted(watch, 'a')];
  expect(forgotten).toBe(0);
  const fresh = await admitted(watch, 'b');
  expect([forgotten, ...old.map(({ ended }) => ended), fresh.ended]).toEqual([1, true, true, false]);
});

it('leaves sessions alone where servers take turns behind one address', async () => {
  const watch = new ServerWatch();
  await admitted(watch, 'a');
  await admitted(watch, 'b');
  const sessions = [];
  for (const server of ['a', 'b', 'a', 'b']) sessions.push(await admitted(watch, server));
  expect(sessions.map(({ ended }) => ended)).toEqual([false, false, false, false]);
});
