import { connect, createServer, type Server, type Socket } from 'node:net';
import { freePort } from '../../../test/support/free-port.ts';

/**
 * A way to a server that can be cut and mended: cut, connections break and new ones are refused; silenced, all stay as they are and nothing comes
 * through any more, until it is cut.
 */
export type TcpProxy = { port: number; cut(): Promise<void>; mend(): Promise<void>; silence(): void };

/** Starts cut. @param at its own port; two that are never mended at once may have the same */
export async function createTcpProxy(targetPort: number, at?: number): Promise<TcpProxy> {
  const port = at ?? (await freePort());
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  let silent = false;
  const accept = (caller: Socket) => {
    const target = connect(targetPort, '127.0.0.1');
    for (const [from, to] of [
      [caller, target],
      [target, caller],
    ] as const) {
      sockets.add(from);
      from.on('data', (bytes) => {
        if (!silent) to.write(bytes);
      });
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  };
  return {
    port,
    mend: () =>
      new Promise((resolve, reject) => {
        server = createServer(accept).once('error', reject).listen(port, '127.0.0.1', resolve);
      }),
    silence: () => {
      silent = true;
    },
    cut: () =>
      new Promise((resolve) => {
        silent = false;
        for (const socket of sockets) socket.destroy();
        if (server) server.close(() => resolve());
        else resolve();
        server = undefined;
      }),
  };
}
