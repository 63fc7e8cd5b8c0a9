import { tableStep } from './table.ts';

/**
 * One row for each producer group and outbox database that has sent a message: the owner in message.lane, whose due rows never stand before
 * another owner's. Serves: the round over all owners (PRIMARY), names to ids (UNIQUE). New with the first release; empty, instant.
 */
export const messageOwner = tableStep({
  name: '0005_message_owner',
  table: 'message_owner',
  columns: (t) => `
  id ${t.autoId},
  producer_group_id BIGINT NOT NULL,
  store_id BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  UNIQUE (producer_group_id, store_id)`,
});
