import { tableStep } from './table.ts';

/**
 * Consumer groups. `inbox_store` is the inbox database that the group is bound to (NULL until it registers, '' for a group without the client
 * library); only an operator changes it. Serves: names to ids (UNIQUE). New with the first release; empty, instant.
 */
export const consumerGroup = tableStep({
  name: '0007_consumer_group',
  table: 'consumer_group',
  columns: (t) => `
  id ${t.autoId},
  name ${t.ascii(64)} NOT NULL,
  description ${t.text(256)} NOT NULL DEFAULT '',
  enabled SMALLINT NOT NULL DEFAULT 1,
  inbox_store ${t.ascii(64)} NULL,
  inbox_retention_ms BIGINT NULL,
  created_at BIGINT NOT NULL,
  UNIQUE (name)`,
});
