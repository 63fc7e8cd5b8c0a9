import { tableStep } from './table.ts';

/**
 * Epochs of this database after the first, each raised by an operator after a restore or a promotion that lost commits, with the time of the state
 * that was restored. No row: epoch 1. New with the first release; empty, instant.
 */
export const epoch = tableStep({
  name: '0018_epoch',
  table: 'epoch',
  columns: (t) => `
  epoch BIGINT NOT NULL PRIMARY KEY,
  restored_to BIGINT NOT NULL,
  raised_at BIGINT NOT NULL,
  actor ${t.text(128)} NOT NULL`,
});
