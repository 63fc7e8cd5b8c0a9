import { tableStep } from './table.ts';

/**
 * What a group takes: a topic and a tag of it, or '*' for all tags. Registering only adds rows; `active` 0 is an operator's removal.
 * Serves: the confirm's look-up by topic (PRIMARY leads with it). New with the first release; empty, instant.
 */
export const subscription = tableStep({
  name: '0008_subscription',
  table: 'subscription',
  columns: (t) => `
  topic_id BIGINT NOT NULL,
  group_id BIGINT NOT NULL,
  tag ${t.ascii(64)} NOT NULL,
  active SMALLINT NOT NULL DEFAULT 1,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (topic_id, group_id, tag)`,
  indexes: { subscription_group: 'group_id, topic_id' },
});
