import { connect, createServer, type Socket } from 'node:net';

/** One address for several servers, as a Kubernetes Service is: each new connection goes to the next server that takes it. */
export type TcpBalancer = {
  port: number;
  /** Bytes that each server was sent, by port. */
  sent: ReadonlyMap<number, number>;
  /** Takes a server out, as a readiness probe does that it no longer answers: new connections pass it by, open ones end. */
  exclude(port: number): void;
  include(port: number): void;
  stop(): Promise<void>;
};

export async function startTcpBalancer(ports: readonly number[]): Promise<TcpBalancer> {
  const open = new Map<number, Set<Socket>>(ports.map((port) => [port, new Set()]));
  const sent = new Map<number, number>(ports.map((port) => [port, 0]));
  const excluded = new Set<number>();
  let next = 0;
  const server = createServer((caller) => {
    caller.on('error', () => caller.destroy());
    const usable = ports.filter((port) => !excluded.has(port));
    next += 1;
    tryInTurn(usable.map((_, index) => usable[(next + index) % usable.length] as number));

    function tryInTurn([port, ...rest]: number[]): void {
      if (port === undefined) {
        caller.destroy();
        return;
      }
      const target = connect(port, '127.0.0.1');
      target.once('error', () => {
        if (target.connecting || target.bytesRead + target.bytesWritten === 0) tryInTurn(rest);
        else caller.destroy();
      });
      target.once('connect', () => {
        open.get(port)?.add(caller);
        caller.once('close', () => {
          open.get(port)?.delete(caller);
          target.destroy();
        });
        target.once('close', () => caller.destroy());
        caller.on('data', (chunk) => sent.set(port, (sent.get(port) ?? 0) + chunk.length));
        caller.pipe(target).pipe(caller);
      });
    }
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    sent,
    exclude(port) {
      excluded.add(port);
      for (const caller of open.get(port) ?? []) caller.destroy();
    },
    include: (port) => void excluded.delete(port),
    stop() {
      for (const callers of open.values()) for (const caller of callers) caller.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
