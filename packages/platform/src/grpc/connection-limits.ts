import type { Server as HttpServer } from 'node:http';
import type { Socket } from 'node:net';
import type { Server } from '@grpc/grpc-js';
import { integerSetting } from '../host/config.ts';
import { ipNetwork, plainIp } from '../net/ip-network.ts';

const DEFAULT_MAX_CONNECTIONS = 4_000;
const DEFAULT_MAX_CONNECTIONS_PER_ADDRESS = 1_000;

/** Settings of the connections of a gRPC port, the same in every service. */
export const connectionSettings = {
  GRPC_MAX_CONNECTIONS: integerSetting(DEFAULT_MAX_CONNECTIONS, 1, 1_000_000).describe(
    'Connections to the gRPC port that may be open at once; more are closed as soon as they come. A program needs one for each replica.',
  ),
  GRPC_MAX_CONNECTIONS_PER_ADDRESS: integerSetting(DEFAULT_MAX_CONNECTIONS_PER_ADDRESS, 0, 1_000_000).describe(
    'The same for one caller: an IPv4 address, or the /64 of an IPv6 address. 0: no limit of its own, for where a balancer or NAT gives all callers one address.',
  ),
};

/** As the settings say. */
export type ConnectionLimits = { GRPC_MAX_CONNECTIONS: number; GRPC_MAX_CONNECTIONS_PER_ADDRESS: number };

export const DEFAULT_CONNECTION_LIMITS: ConnectionLimits = {
  GRPC_MAX_CONNECTIONS: DEFAULT_MAX_CONNECTIONS,
  GRPC_MAX_CONNECTIONS_PER_ADDRESS: DEFAULT_MAX_CONNECTIONS_PER_ADDRESS,
};

/** Tells of a connection that was closed at once. `limit`: the setting whose number is reached. */
export type OnConnectionRefused = (event: { limit: keyof ConnectionLimits; address: string }) => void;

/**
 * Bounds the connections of a server that listens already. grpc-js has no such limit. What is beyond it is closed before anything of it is read, TLS's
 * handshake included, so its caller sees UNAVAILABLE and takes another replica, or tries again later.
 */
export function limitConnections(server: Server, limits: ConnectionLimits, onRefused: OnConnectionRefused = () => undefined): void {
  const admit = createDoor(limits, onRefused);
  for (const listener of listenersOf(server)) {
    const takers = listener.listeners('connection') as ((socket: Socket) => void)[];
    listener.removeAllListeners('connection');
    listener.on('connection', (socket: Socket) => {
      if (!admit(socket)) return void socket.destroy();
      for (const take of takers) take.call(listener, socket);
    });
  }
}

/** The listening servers within a grpc-js server, which does not show them. A later version that keeps them elsewhere fails the tests. */
export function listenersOf(server: Server): HttpServer[] {
  return [...((server as unknown as { http2Servers?: Map<HttpServer, unknown> }).http2Servers?.keys() ?? [])];
}

/** @returns whether a connection may come in; it then counts until it closes */
function createDoor(limits: ConnectionLimits, onRefused: OnConnectionRefused): (socket: Socket) => boolean {
  const open = new Map<string, number>();
  let all = 0;
  const change = (address: string, by: 1 | -1) => {
    all += by;
    const own = (open.get(address) ?? 0) + by;
    if (own === 0) open.delete(address);
    else open.set(address, own);
  };
  return (socket) => {
    const address = ipNetwork(plainIp(socket.remoteAddress ?? ''));
    const ownLimit = limits.GRPC_MAX_CONNECTIONS_PER_ADDRESS;
    const ownReached = ownLimit > 0 && (open.get(address) ?? 0) >= ownLimit;
    if (all >= limits.GRPC_MAX_CONNECTIONS || ownReached) {
      onRefused({ limit: ownReached ? 'GRPC_MAX_CONNECTIONS_PER_ADDRESS' : 'GRPC_MAX_CONNECTIONS', address });
      return false;
    }
    change(address, 1);
    socket.once('close', () => change(address, -1));
    return true;
  };
}
