import { connect, createServer, type Socket } from 'node:net';

export type MySqlProxy = {
  port: number;
  /** `before`: the next COMMIT never reaches the server. `after`: it does, but its answer never comes back. */
  cutAtCommit(when: 'before' | 'after'): void;
  close(): Promise<void>;
};

/** Each ends a transaction with a commit. */
const COMMITS = ['COMMIT', 'SET autocommit=1', 'SET autocommit = ('];

/** A TCP proxy in front of MariaDB that cuts the connection at a COMMIT. */
export async function startMySqlProxy(target: { host: string; port: number }): Promise<MySqlProxy> {
  let cut: 'before' | 'after' | undefined;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(target.port, target.host);
    let swallow = false;
    const end = () => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', end).on('close', end);
    }
    client.on('data', (bytes) => {
      if (cut !== undefined && COMMITS.some((words) => bytes.includes(words))) {
        const when = cut;
        cut = undefined;
        if (when === 'before') return end();
        swallow = true;
      }
      upstream.write(bytes);
      return undefined;
    });
    upstream.on('data', (bytes) => (swallow ? end() : client.write(bytes)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    cutAtCommit: (when) => {
      cut = when;
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
