/** How to reach the broker, and what the adapter says about it. */
import { harmlessLog } from '@tpc/core';

/** A log in pino's shape: fields first, then a constant message. */
export type BrokerLogger = {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
};

export const SILENT_LOGGER: BrokerLogger = { debug: ignore, info: ignore, warn: ignore, error: ignore };

function ignore(): void {
  // The default log says nothing: a library must not write where nobody asked for it.
}

export const DEFAULT_REQUEST_TIMEOUT_MS = 3_000;

export type RocketMqConnection = {
  /** Address of the proxy's gRPC port: `host:port`. */
  endpoints: string;
  /** RocketMQ's namespace; default none. */
  namespace?: string | undefined;
  /** Access key of RocketMQ's ACL; default none. */
  credentials?: { accessKey: string; accessSecret: string; securityToken?: string | undefined } | undefined;
  /** TLS with the certificate authorities that Node knows, or with those of `ca` (PEM); default false. */
  tls?: boolean | { ca: Buffer } | undefined;
  /** Deadline of one request in milliseconds, at least 1,000; default 3,000. A long poll has its own time on top. */
  requestTimeoutMs?: number | undefined;
  /** Default: silent. What the client itself has to say comes at level debug. */
  logger?: BrokerLogger | undefined;
};

/** The log of a connection; what it throws is dropped. */
export function loggerOf({ logger }: Pick<RocketMqConnection, 'logger'>): BrokerLogger {
  return logger === undefined ? SILENT_LOGGER : harmlessLog(logger);
}
