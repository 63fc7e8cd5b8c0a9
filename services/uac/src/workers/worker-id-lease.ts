import { randomUUID } from 'node:crypto';
import { createRepeater, type Log, type Running } from '@tpc/platform';
import type { Knex } from 'knex';
import type { IdGenerator, IdLease } from '../domain/id-generator.ts';
import { acquireWorkerLease, releaseWorkerLease, renewWorkerLease } from '../store/worker-leases.ts';

/** How long a worker id stays ours without renewal, milliseconds; also how far ids may run ahead of a renewal. */
export const LEASE_MS = 60_000;
const RENEW_EVERY_MS = LEASE_MS / 4;
/** How often a free worker id is looked for before the next round. */
const ACQUIRE_TRIES = 20;

export type WorkerIdLease = Running & {
  /** One pass: renews the lease, or takes a new one where it was lost. Errors of the database are thrown. */
  runOnce(): Promise<void>;
};

export type WorkerIdLeaseParts = { db: Knex; ids: IdGenerator; log: Log; now?: () => number; leaseMs?: number };

/**
 * Holds a worker id for the id generator. When the database is away, ids go on to the end of the span that the lease reserved, then
 * stop; a lease that another process took over is replaced by another one. See domain/id-generator.ts for why no id is made twice.
 */
export function createWorkerIdLease({
  db,
  ids,
  log,
  now = Date.now,
  leaseMs = LEASE_MS,
}: WorkerIdLeaseParts): WorkerIdLease & { start(): Promise<void> } {
  const owner = randomUUID();
  let lease: IdLease | undefined;

  const runOnce = async () => {
    const reserveUntil = Math.max(now(), ids.lastUsed()) + leaseMs;
    if (lease && (await renewWorkerLease(db, lease.workerId, { owner, leaseMs, reserveUntil }))) lease = { ...lease, until: reserveUntil };
    else {
      if (lease) log.warn({ worker_id: lease.workerId }, 'worker id lost to another process');
      lease = await acquire(db, { owner, leaseMs, now: now(), reserveUntil });
    }
    ids.setLease(lease);
    if (!lease) log.error('no worker id is free: no user can register');
  };
  const renewal = createRepeater({ name: 'worker id', everyMs: RENEW_EVERY_MS, pass: runOnce, log });
  return {
    runOnce,
    async start() {
      await runOnce();
      renewal.start(RENEW_EVERY_MS);
    },
    async stop() {
      await renewal.stop();
      ids.setLease(undefined);
      if (lease) await releaseWorkerLease(db, lease.workerId, owner, Math.max(ids.lastUsed(), lease.after));
    },
  };
}

async function acquire(db: Knex, request: Parameters<typeof acquireWorkerLease>[1]): Promise<IdLease | undefined> {
  for (let tries = 0; tries < ACQUIRE_TRIES; tries++) {
    const lease = await acquireWorkerLease(db, request);
    if (lease) return lease;
  }
  return undefined;
}
