import { tableStep } from './table.ts';

/**
 * How far a consumer group has come on a topic: the latest time of publishing among the messages that it has received. What it has not received
 * although published well before that is worth publishing again. Only a hint: may lag by some seconds. New with the first release; empty, instant.
 */
export const groupProgress = tableStep({
  name: '0014_group_progress',
  table: 'group_progress',
  columns: () => `
  group_id BIGINT NOT NULL,
  topic_id BIGINT NOT NULL,
  latest_published_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (group_id, topic_id)`,
});
