import { tableStep } from './table.ts';

/**
 * Tags of a topic; '' is "no tag". Messages without a subscriber are parked by tag id (message.lane), so that a registration finds exactly its own.
 * Serves: names to ids (UNIQUE). New with the first release; empty, instant.
 */
export const tag = tableStep({
  name: '0002_tag',
  table: 'tag',
  columns: (t) => `
  id ${t.autoId},
  topic_id BIGINT NOT NULL,
  name ${t.ascii(64)} NOT NULL,
  description ${t.text(256)} NOT NULL DEFAULT '',
  enabled SMALLINT NOT NULL DEFAULT 1,
  created_at BIGINT NOT NULL,
  UNIQUE (topic_id, name)`,
});
