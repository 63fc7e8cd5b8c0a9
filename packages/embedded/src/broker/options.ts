const DAY_MS = 24 * 60 * 60 * 1000;

const DEFAULT_MAX_DELIVERY_ATTEMPTS = 16;
const DEFAULT_RETENTION_MS = 3 * DAY_MS;
const DEFAULT_SETTLED_RETENTION_MS = 10 * 60 * 1000;
const DEFAULT_MIN_INVISIBLE_MS = 1_000;

export type EmbeddedBrokerOptions = {
  /** The SQLite file; made, with its folder, where it is missing. One process per file. */
  file: string;
  /** Default 127.0.0.1. The broker asks nobody who they are: keep it on loopback. */
  host?: string | undefined;
  /** 0: any free one. */
  port: number;
  /** Where a group begins that was never seen before. Default newest, as on RocketMQ: what was published before its first poll is not for it. */
  newGroupStartsAt?: 'newest' | 'earliest' | undefined;
  /** Deliveries of a message to a group before it becomes a dead letter; default 16. */
  maxDeliveryAttempts?: number | undefined;
  /** How long a message is kept at most, milliseconds; default 3 days. */
  retentionMs?: number | undefined;
  /** How long a message is kept that every group has acknowledged, milliseconds; default 10 minutes. */
  settledRetentionMs?: number | undefined;
  /** Shortest invisible time that a consumer may ask for, milliseconds; default 1,000 (RocketMQ: 10,000). */
  minInvisibleMs?: number | undefined;
};

export type ResolvedOptions = {
  file: string;
  host: string;
  port: number;
  newGroupStartsAt: 'newest' | 'earliest';
  maxDeliveryAttempts: number;
  retentionMs: number;
  settledRetentionMs: number;
  minInvisibleMs: number;
};

export function resolveOptions(options: EmbeddedBrokerOptions): ResolvedOptions {
  return {
    file: options.file,
    host: options.host ?? '127.0.0.1',
    port: options.port,
    newGroupStartsAt: options.newGroupStartsAt ?? 'newest',
    maxDeliveryAttempts: options.maxDeliveryAttempts ?? DEFAULT_MAX_DELIVERY_ATTEMPTS,
    retentionMs: options.retentionMs ?? DEFAULT_RETENTION_MS,
    settledRetentionMs: options.settledRetentionMs ?? DEFAULT_SETTLED_RETENTION_MS,
    minInvisibleMs: options.minInvisibleMs ?? DEFAULT_MIN_INVISIBLE_MS,
  };
}
