import { tableStep } from './table.ts';

/**
 * Waits that differ from the configured ones, by kind (1 check, 2 publish, 3 redeliver), topic and group; 0 stands for all. Changed at run time by
 * operators; not used before that is served. New with the first release; empty, instant.
 */
export const retryPolicy = tableStep({
  name: '0015_retry_policy',
  table: 'retry_policy',
  columns: (t) => `
  kind SMALLINT NOT NULL,
  topic_id BIGINT NOT NULL DEFAULT 0,
  group_id BIGINT NOT NULL DEFAULT 0,
  first_wait_ms BIGINT NOT NULL,
  factor DOUBLE NOT NULL,
  max_wait_ms BIGINT NOT NULL,
  jitter DOUBLE NOT NULL,
  max_attempts INT NULL,
  updated_at BIGINT NOT NULL,
  updated_by ${t.text(128)} NOT NULL,
  PRIMARY KEY (kind, topic_id, group_id)`,
});
