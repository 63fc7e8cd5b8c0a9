import { classifySqlError, dialectOf, inPacketTransaction, run, type Tx } from '@tpc/core';
import type { Knex } from 'knex';
import { type IdLease, WORKER_IDS } from '../domain/id-generator.ts';

export type LeaseRequest = {
  /** Random id of this owner. */
  owner: string;
  /** How long without renewal until another may take it, by the database's clock. Milliseconds. */
  leaseMs: number;
  /** The caller's clock: worker ids whose last owner's clock was ahead of it are left alone. UTC milliseconds. */
  now: number;
  /** End of the span of time stamps that the lease allows. */
  reserveUntil: number;
};

/**
 * Takes a free worker id, or adds the next.
 * @returns undefined when another process was faster (ask again), or all 1,024 are in use
 */
export async function acquireWorkerLease(db: Knex, request: LeaseRequest): Promise<IdLease | undefined> {
  try {
    return await inPacketTransaction(db, (tx) => takeOver(tx, request).then((lease) => lease ?? add(tx, request)));
  } catch (error) {
    const kind = classifySqlError(error);
    if (kind === 'duplicate' || kind === 'deadlock' || kind === 'locked') return undefined;
    throw error;
  }
}

async function takeOver(tx: Tx, request: LeaseRequest): Promise<IdLease | undefined> {
  const { now, forUpdateSkipLocked } = dialectOf(tx);
  const { rows } = await run<{ worker_id: number; reserved_until: number | string }>(
    tx,
    `SELECT worker_id, reserved_until FROM uac_worker_lease WHERE expires_at <= ${now} AND reserved_until < ?
     ORDER BY worker_id LIMIT 1${forUpdateSkipLocked}`,
    [request.now],
  );
  const free = rows[0];
  if (!free) return undefined;
  await run(tx, `UPDATE uac_worker_lease SET owner = ?, expires_at = ${now} + ?, reserved_until = ? WHERE worker_id = ?`, [
    request.owner,
    request.leaseMs,
    request.reserveUntil,
    free.worker_id,
  ]);
  return { workerId: Number(free.worker_id), after: Number(free.reserved_until), until: request.reserveUntil };
}

async function add(tx: Tx, request: LeaseRequest): Promise<IdLease | undefined> {
  const { rows } = await run<{ next: number | string }>(tx, 'SELECT COALESCE(MAX(worker_id), -1) + 1 AS next FROM uac_worker_lease');
  const workerId = Number(rows[0]?.next);
  if (workerId >= WORKER_IDS) return undefined;
  await run(tx, `INSERT INTO uac_worker_lease (worker_id, owner, expires_at, reserved_until) VALUES (?, ?, ${dialectOf(tx).now} + ?, ?)`, [
    workerId,
    request.owner,
    request.leaseMs,
    request.reserveUntil,
  ]);
  return { workerId, after: 0, until: request.reserveUntil };
}

/** Renews a lease and widens its span. @returns false when another process has it */
export async function renewWorkerLease(db: Knex, workerId: number, request: Omit<LeaseRequest, 'now'>): Promise<boolean> {
  const { affected } = await run(
    db,
    `UPDATE uac_worker_lease SET expires_at = ${dialectOf(db).now} + ?, reserved_until = ? WHERE worker_id = ? AND owner = ?`,
    [request.leaseMs, request.reserveUntil, workerId, request.owner],
  );
  return affected === 1;
}

/** Gives a worker id back, with the highest time stamp that was really used, so that the next process can take it at once. */
export async function releaseWorkerLease(db: Knex, workerId: number, owner: string, lastUsed: number): Promise<void> {
  await run(db, `UPDATE uac_worker_lease SET expires_at = 0, reserved_until = ? WHERE worker_id = ? AND owner = ?`, [lastUsed, workerId, owner]);
}
