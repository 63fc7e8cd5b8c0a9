import { tableStep } from './table.ts';

/**
 * Outbox databases by their store id; '' stands for all producers without the client library. Counters of an order key belong to one of them.
 * Serves: names to ids (UNIQUE). New with the first release; empty, instant.
 */
export const outboxStore = tableStep({
  name: '0004_outbox_store',
  table: 'outbox_store',
  columns: (t) => `
  id ${t.autoId},
  name ${t.ascii(64)} NOT NULL,
  created_at BIGINT NOT NULL,
  UNIQUE (name)`,
});
