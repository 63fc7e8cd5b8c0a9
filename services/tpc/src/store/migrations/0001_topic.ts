import { tableStep } from './table.ts';

/**
 * Topics by name, so that hot rows and indexes carry a short number. Serves: names to ids (UNIQUE). New with the first release; empty, instant.
 * `enabled` and `description` are for operators.
 */
export const topic = tableStep({
  name: '0001_topic',
  table: 'topic',
  columns: (t) => `
  id ${t.autoId},
  name ${t.ascii(64)} NOT NULL,
  description ${t.text(256)} NOT NULL DEFAULT '',
  enabled SMALLINT NOT NULL DEFAULT 1,
  created_at BIGINT NOT NULL,
  UNIQUE (name)`,
});
