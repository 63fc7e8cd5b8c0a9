import type { Knex } from 'knex';
import type { ClaimedRow } from '../domain/inbox-row.ts';
import { EffectState } from '../domain/states.ts';
import { readEffects } from '../store/effects.ts';
import { markRetry } from '../store/mark-inbox.ts';

/**
 * Gives a message back until the first of its open effects may be tried.
 * @param atLeastMs shortest wait, milliseconds
 * @returns false when it was taken over or had ended
 */
export async function giveBackUntilDue(knex: Knex, group: string, row: ClaimedRow, atLeastMs: number): Promise<boolean> {
  const { effects, now } = await readEffects(knex, group, row);
  const open = effects.filter((effect) => effect.state === EffectState.OPEN);
  const due = open.map((effect) => (effect.leaseUntil ?? now) - now);
  const waitMs = Math.max(atLeastMs, open.length === 0 ? 0 : Math.min(...due));
  const error = open.map((effect) => effect.error).find(Boolean) ?? '';
  return markRetry(knex, group, row, { waitMs, error });
}
