import { OtherServer, runOnPrimary } from '@tpc/core';
import type { Epoch } from '../store-types.ts';
import type { StoreContext } from './context.ts';

/**
 * The present epoch: 1 until an operator raises it, which is done when the tables were taken back to an earlier moment.
 * @throws OtherServer when it is not the one that was read before: the work has to begin anew, with names as they are now
 */
export async function readEpoch({ knex, servers, epoch: noted }: Pick<StoreContext, 'knex' | 'servers' | 'epoch'>): Promise<Epoch> {
  const { rows } = await runOnPrimary<{ epoch: number; restored_to: number }>(
    knex,
    'SELECT epoch, restored_to FROM epoch ORDER BY epoch DESC LIMIT 1',
  );
  const row = rows[0];
  const found = row === undefined ? { epoch: 1, restoredTo: undefined } : { epoch: row.epoch, restoredTo: row.restored_to };
  const { last = found.epoch } = noted;
  noted.last = found.epoch;
  if (last === found.epoch) return found;
  servers.changed();
  throw new OtherServer();
}
