import { tableStep } from './table.ts';

/**
 * The next sequence number of an order key that may be published. Locked after message rows and before confirm rows.
 * Not used before order by key is served. New with the first release; empty, instant.
 */
export const orderHead = tableStep({
  name: '0012_order_head',
  table: 'order_head',
  columns: (t) => `
  store_id BIGINT NOT NULL,
  topic_id BIGINT NOT NULL,
  order_key ${t.ascii(128)} NOT NULL,
  next_seq BIGINT NOT NULL,
  PRIMARY KEY (store_id, topic_id, order_key)`,
});
