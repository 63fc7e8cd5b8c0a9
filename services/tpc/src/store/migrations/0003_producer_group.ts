import { tableStep } from './table.ts';

/**
 * Producer groups, noted at their first call. `outbox_retention_ms` is the shortest that an instance has registered with.
 * Serves: names to ids (UNIQUE). New with the first release; empty, instant.
 */
export const producerGroup = tableStep({
  name: '0003_producer_group',
  table: 'producer_group',
  columns: (t) => `
  id ${t.autoId},
  name ${t.ascii(64)} NOT NULL,
  description ${t.text(256)} NOT NULL DEFAULT '',
  enabled SMALLINT NOT NULL DEFAULT 1,
  outbox_retention_ms BIGINT NULL,
  created_at BIGINT NOT NULL,
  UNIQUE (name)`,
});
