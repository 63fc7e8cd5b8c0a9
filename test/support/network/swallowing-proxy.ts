import { connect, createServer, type Socket } from 'node:net';

/** A way to a server that can fall silent, as a network without a word of its end does. */
export type SwallowingProxy = {
  endpoints: string;
  /** From now on nothing passes: what is open stays open and silent for ever, what is new is taken and gets no answer. */
  swallow(): void;
  /** New connections pass again; those that fell silent stay so. */
  mend(): void;
  stop(): Promise<void>;
};

/**
 * Listens on `host` at the target's own port, so that whoever is told to find the target at that address comes this way.
 * @param host an address of loopback other than 127.0.0.1, where the target is
 */
export async function startSwallowingProxy(host: string, targetPort: number): Promise<SwallowingProxy> {
  const callers = new Set<Socket>();
  const targets = new Set<Socket>();
  const swallowed = new WeakSet<Socket>();
  let swallowing = false;
  const server = createServer((caller) => {
    keep(callers, caller);
    if (swallowing) {
      caller.resume();
      return;
    }
    const target = connect(targetPort, '127.0.0.1');
    keep(targets, target);
    caller.pipe(target).pipe(caller);
    caller.once('close', () => target.destroy());
    target.once('close', () => (swallowed.has(target) ? undefined : caller.destroy()));
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(targetPort, host, resolve));
  return {
    endpoints: `${host}:${targetPort}`,
    swallow() {
      swallowing = true;
      for (const target of targets) target.unpipe();
      for (const caller of callers) caller.unpipe().resume();
      // The server's side goes, as it would after its own time-outs; the caller is not told.
      for (const target of targets) {
        swallowed.add(target);
        target.destroy();
      }
    },
    mend() {
      swallowing = false;
    },
    stop() {
      for (const socket of [...callers, ...targets]) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function keep(sockets: Set<Socket>, socket: Socket): void {
  sockets.add(socket);
  socket.once('close', () => sockets.delete(socket));
  socket.on('error', () => socket.destroy());
}
