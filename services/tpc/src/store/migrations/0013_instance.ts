import { tableStep } from './table.ts';

/**
 * Running instances of producers (kind 1) and consumers (kind 2) by their heartbeats. `idle` 1: the link to the broker works and nothing waited there
 * at the last heartbeat. Serves: the instances of a group (PRIMARY), removal of the long silent. New with the first release; empty, instant.
 */
export const instance = tableStep({
  name: '0013_instance',
  table: 'instance',
  columns: (t) => `
  kind SMALLINT NOT NULL,
  group_id BIGINT NOT NULL,
  instance_id ${t.ascii(64)} NOT NULL,
  store ${t.ascii(64)} NOT NULL,
  host ${t.text(128)} NOT NULL,
  idle SMALLINT NOT NULL DEFAULT 0,
  started_at BIGINT NOT NULL,
  heartbeat_at BIGINT NOT NULL,
  PRIMARY KEY (kind, group_id, instance_id)`,
  indexes: { instance_heartbeat: 'heartbeat_at' },
});
