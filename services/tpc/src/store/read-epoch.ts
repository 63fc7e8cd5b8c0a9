import { runOnPrimary } from '@tpc/core';
import type { Db } from './context.ts';
import type { Epoch } from './store-types.ts';

/** The present epoch: 1 until an operator raises it. */
export async function readEpoch(db: Db): Promise<Epoch> {
  const { rows } = await runOnPrimary<{ epoch: number; restored_to: number }>(db, 'SELECT epoch, restored_to FROM epoch ORDER BY epoch DESC LIMIT 1');
  const row = rows[0];
  return row === undefined ? { epoch: 1, restoredTo: undefined } : { epoch: row.epoch, restoredTo: row.restored_to };
}
