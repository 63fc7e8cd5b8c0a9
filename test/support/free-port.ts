import { createServer } from 'node:net';

/**
 * Ports are taken from below those that the system gives to outgoing connections and to servers that name no port. Otherwise another program could
 * get the port between this look and its use, and a client that looks for a killed server could get the server's own port and find itself.
 */
const LOWEST_PORT = 12_000;
const HIGHEST_PORT = 32_000;

/** Test files run in several processes at once. Each has a share of the ports of its own. */
const SHARES = 4;
const SHARE = Number(process.env.VITEST_POOL_ID ?? 0) % SHARES;
const PER_SHARE = (HIGHEST_PORT - LOWEST_PORT) / SHARES;

/** Ports that this process has handed out: a port is free to the look until its server is up. */
const given = new Set<number>();

/**
 * A free TCP port on loopback that stays free until it is used, and stays its server's own while the server is away.
 * @param around neighbours that are wanted as well, as distances
 */
export async function freePort(around: readonly number[] = []): Promise<number> {
  for (;;) {
    const port = LOWEST_PORT + SHARE * PER_SHARE + Math.floor(Math.random() * PER_SHARE);
    const wanted = [0, ...around].map((distance) => port + distance);
    if (wanted.some((one) => given.has(one))) continue;
    for (const one of wanted) given.add(one);
    if ((await Promise.all(wanted.map(isFree))).every(Boolean)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
