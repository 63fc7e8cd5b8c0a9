import { connect, createServer, type Socket } from 'node:net';

export type MySqlProxy = {
  port: number;
  /** `before`: the next COMMIT never reaches the server. `after`: it does, but its answer never comes back. */
  cutAtCommit(when: 'before' | 'after'): void;
  /** The same at the next statement with these words. */
  cutAt(words: string, when: 'before' | 'after'): void;
  /** The next statement with these words reaches the server, and from then on nothing comes back on its connection, which stays open. */
  swallowAnswerOf(words: string): void;
  /** How many connections have been made. */
  connections(): number;
  close(): Promise<void>;
};

/** Each ends a transaction with a commit. */
const COMMITS = ['COMMIT', 'SET autocommit=1', 'SET autocommit = ('];

/** A TCP proxy in front of MariaDB that cuts the connection at a COMMIT. */
export async function startMySqlProxy(target: { host: string; port: number }): Promise<MySqlProxy> {
  let cut: { when: 'before' | 'after'; at: readonly string[] } | undefined;
  let swallowed: string | undefined;
  let connections = 0;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(target.port, target.host);
    let swallow = false;
    let silent = false;
    connections++;
    const end = () => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', end).on('close', end);
    }
    client.on('data', (bytes) => {
      if (cut?.at.some((words) => bytes.includes(words))) {
        const { when } = cut;
        cut = undefined;
        if (when === 'before') return end();
        swallow = true;
      }
      if (swallowed !== undefined && bytes.includes(swallowed)) {
        swallowed = undefined;
        silent = true;
      }
      upstream.write(bytes);
      return undefined;
    });
    upstream.on('data', (bytes) => {
      if (swallow) end();
      else if (!silent) client.write(bytes);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    cutAtCommit: (when) => {
      cut = { when, at: COMMITS };
    },
    cutAt: (words, when) => {
      cut = { when, at: [words] };
    },
    swallowAnswerOf: (words) => {
      swallowed = words;
    },
    connections: () => connections,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
