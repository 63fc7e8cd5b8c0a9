import { tableStep } from './table.ts';

/**
 * The exceptions and operators' acts of a message's timeline; the normal path stands in the columns of message and confirm.
 * Serves: the timeline of one message, oldest first. New with the first release; empty, instant.
 */
export const messageEvent = tableStep({
  name: '0011_message_event',
  table: 'message_event',
  columns: (t) => `
  id ${t.autoId},
  message_id BIGINT NOT NULL,
  at BIGINT NOT NULL,
  kind ${t.ascii(32)} NOT NULL,
  group_id BIGINT NULL,
  actor ${t.text(128)} NOT NULL,
  detail ${t.text(1100)} NOT NULL DEFAULT ''`,
  indexes: { message_event_message: 'message_id, id' },
});
