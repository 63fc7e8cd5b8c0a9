import { randomBytes } from 'node:crypto';
import { run, runOnPrimary } from '@tpc/core';
import type { Knex } from 'knex';

export type StoreMeta = {
  /** Id of this database as an outbox and inbox; made by the migration. */
  storeId: string;
  /** Newest epoch of TPC that this database has seen; 0 before the first. */
  epoch: number;
};

/**
 * Reads the id of the outbox and inbox database.
 * @throws Error when `migrateClientStore` has not run on it
 */
export async function readStoreMeta(knex: Knex | Knex.Transaction): Promise<StoreMeta> {
  const { rows } = await runOnPrimary<{ store_id: string; epoch: number | string }>(knex, 'SELECT store_id, epoch FROM tpc_store_meta WHERE id = 1');
  const row = rows[0];
  if (row === undefined) throw new Error('tpc_store_meta has no row: run migrateClientStore(knex) on this database first.');
  return { storeId: row.store_id, epoch: Number(row.epoch) };
}

/**
 * Gives a copied database an id of its own. Call it once on the copy, before any service starts on it: with the id of the original, TPC would
 * ask the copy about transactions that it has never seen.
 * @returns the new id
 */
export async function renewStoreId(knex: Knex): Promise<string> {
  const storeId = randomBytes(16).toString('hex');
  const { affected } = await run(knex, 'UPDATE tpc_store_meta SET store_id = ? WHERE id = 1', [storeId]);
  if (affected !== 1) throw new Error('tpc_store_meta has no row: run migrateClientStore(knex) on this database first.');
  return storeId;
}
