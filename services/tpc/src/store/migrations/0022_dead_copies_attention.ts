import type { MigrationStep } from './table.ts';

/**
 * A message with a dead copy needs attention also while other groups are open; those of before get the mark. Walks over the open messages' index, once. The
 * previous build clears the mark when such a message ends well, and does not set it.
 */
export const deadCopiesAttention: MigrationStep = {
  name: '0022_dead_copies_attention',
  up: async (db) => {
    await db.raw("UPDATE message SET attention = 1, reason = COALESCE(reason, 'GROUP_FAILED') WHERE lane IS NOT NULL AND dead_groups > 0");
  },
};
