import { LaneKind, laneKindSql } from '../base/lanes.ts';
import type { MigrationStep } from './table.ts';

/** As the default of TPC_OVERDUE_AFTER_MS. */
const OVERDUE_AFTER_MS = 1_800_000;

/**
 * A published message that is followed is due when its copies become overdue; those of before had no due time. Walks over the open messages' index, once. What
 * the previous build publishes meanwhile is followed and never counts as overdue.
 */
export const followDue: MigrationStep = {
  name: '0026_follow_due',
  up: async (db) => {
    await db.raw(
      `UPDATE message SET due_at = published_at + ${OVERDUE_AFTER_MS} WHERE lane IS NOT NULL AND ${laneKindSql} = ${LaneKind.FOLLOW} AND due_at IS NULL`,
    );
  },
};
