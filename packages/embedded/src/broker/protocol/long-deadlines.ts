import type { Http2Server, IncomingHttpHeaders } from 'node:http2';
import type { Server } from '@grpc/grpc-js';

const MAX_TIMER_MS = 2 ** 31 - 1;
const UNIT_MS: Record<string, number> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 0.001, n: 0.000_001 };

/** True when a `grpc-timeout` header is longer than a timer can wait. */
export function isOverlong(timeout: string): boolean {
  const parts = /^(\d{1,8})([HMSmun])$/.exec(timeout);
  return parts !== null && Number(parts[1]) * UNIT_MS[parts[2]!]! > MAX_TIMER_MS;
}

/**
 * Some clients (RocketMQ's for Java) open their telemetry stream with a deadline of years. gRPC for Node cuts that to 32 bits and ends the
 * stream at once, so such headers are taken off before it reads them. It offers no way in before its own reading, hence its private field.
 */
export function allowLongDeadlines(server: Server): void {
  const { http2Servers } = server as unknown as { http2Servers: Map<Http2Server, unknown> };
  for (const http2Server of http2Servers.keys()) {
    http2Server.prependListener('stream', (_stream: unknown, headers: IncomingHttpHeaders) => {
      const timeout = headers['grpc-timeout'];
      if (typeof timeout === 'string' && isOverlong(timeout)) delete headers['grpc-timeout'];
    });
  }
}
