import { tableStep } from './table.ts';

/**
 * The messages. Numbers of `state` and `cancel_kind`: domain/states.ts.
 *
 * A row that needs work, or is followed, has a `lane` (lanes.ts: kind of work + owner); `due_at` is when the next piece is due, in this database's
 * clock. A claim moves `due_at` on and sets `claim`, the token. `attempts` counts failed publishes since the last success, `publishes` the successes,
 * `checks` the check-backs. `attention` is 1 or NULL; every DEAD row has 1. `open_groups` counts confirm rows that are neither consumed, skipped
 * nor dead, `dead_groups` the dead ones. `body` is NULL once cleaned away. The key is longer than a producer may choose, for `#` and a hash.
 *
 * Serves: message_lane_due the claims, the parked messages and the metrics; message_attention the list of what needs a person.
 * New with the first release; empty, instant.
 */
export const message = tableStep({
  name: '0009_message',
  table: 'message',
  columns: (t) => `
  id ${t.autoId},
  message_key ${t.ascii(160)} NOT NULL,
  producer_group_id BIGINT NOT NULL,
  store_id BIGINT NOT NULL,
  owner_id BIGINT NOT NULL,
  state SMALLINT NOT NULL,
  cancel_kind SMALLINT NOT NULL DEFAULT 0,
  topic_id BIGINT NOT NULL,
  tag ${t.ascii(64)} NOT NULL,
  order_key ${t.ascii(128)} NULL,
  order_seq BIGINT NULL,
  generation INT NOT NULL DEFAULT 1,
  open_groups INT NOT NULL DEFAULT 0,
  dead_groups INT NOT NULL DEFAULT 0,
  content_hash ${t.hash} NOT NULL,
  body ${t.largeBlob} NULL,
  body_size INT NOT NULL,
  content_type ${t.text(128)} NOT NULL,
  headers ${t.smallBlob} NULL,
  delay_ms BIGINT NOT NULL DEFAULT 0,
  deliver_at BIGINT NULL,
  lane BIGINT NULL,
  due_at BIGINT NULL,
  claim BIGINT NULL,
  publishes INT NOT NULL DEFAULT 0,
  attempts INT NOT NULL DEFAULT 0,
  checks INT NOT NULL DEFAULT 0,
  attention SMALLINT NULL,
  reason ${t.ascii(64)} NULL,
  reason_detail ${t.text(1024)} NULL,
  traceparent ${t.text(64)} NOT NULL,
  tracestate ${t.text(512)} NOT NULL,
  created_at BIGINT NOT NULL,
  confirmed_at BIGINT NULL,
  published_at BIGINT NULL,
  finished_at BIGINT NULL,
  UNIQUE (message_key)`,
  indexes: {
    message_lane_due: 'lane, due_at',
    message_attention: 'attention, id',
  },
});
