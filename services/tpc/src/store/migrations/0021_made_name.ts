import { tableStep } from './table.ts';

/**
 * How many names a group has made: topics (what = 1), tags (2), outbox databases (3); kind 1 is a producer group, 2 a consumer group. Each group has a
 * quota, so that no token fills the tables of names. Serves: one count (PRIMARY). A previous build does not count what it makes. Empty, instant.
 */
export const madeName = tableStep({
  name: '0021_made_name',
  table: 'made_name',
  columns: () => `
  kind SMALLINT NOT NULL,
  group_id BIGINT NOT NULL,
  what SMALLINT NOT NULL,
  made BIGINT NOT NULL,
  PRIMARY KEY (kind, group_id, what)`,
});
