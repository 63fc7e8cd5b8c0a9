import { createServer } from 'node:net';

/**
 * Ports of servers that are killed and started again are taken from below those that the system gives to outgoing connections: a client that looks
 * for a killed server would else now and then get the server's own port, and find itself.
 */
const LOWEST_PORT = 12_000;
const HIGHEST_PORT = 32_000;

/**
 * A free TCP port on loopback that stays the server's own while it is away.
 * @param around neighbours that must be free as well, as distances
 */
export async function stablePort(around: readonly number[] = []): Promise<number> {
  for (;;) {
    const port = LOWEST_PORT + Math.floor(Math.random() * (HIGHEST_PORT - LOWEST_PORT));
    const free = await Promise.all([0, ...around].map((distance) => isFree(port + distance)));
    if (free.every(Boolean)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
