import { tableStep } from './table.ts';

/**
 * One row for each message and subscribed consumer group, made when the message becomes SENDING. `status`: domain/states.ts. `due_at` is the next
 * redelivery, NULL when none is due (received, settled, dead). `attempts` counts redeliveries, `consume_count` how often it went from unconfirmed
 * to received, `published_at` is the last redelivery. `urgent` 1: an operator wants it published whatever the group's progress says.
 *
 * Rows are written only under the lock of their message; redelivery claims take them alone but skip what is locked.
 * Serves: confirm_group_due the redelivery claims. New with the first release; empty, instant.
 */
export const confirm = tableStep({
  name: '0010_confirm',
  table: 'confirm',
  columns: (t) => `
  message_id BIGINT NOT NULL,
  group_id BIGINT NOT NULL,
  status SMALLINT NOT NULL,
  dead SMALLINT NOT NULL DEFAULT 0,
  generation INT NOT NULL DEFAULT 1,
  consume_count INT NOT NULL DEFAULT 0,
  attempts INT NOT NULL DEFAULT 0,
  due_at BIGINT NULL,
  claim BIGINT NULL,
  urgent SMALLINT NOT NULL DEFAULT 0,
  reason ${t.ascii(64)} NULL,
  reason_detail ${t.text(1024)} NULL,
  published_at BIGINT NULL,
  received_at BIGINT NULL,
  consumed_at BIGINT NULL,
  PRIMARY KEY (message_id, group_id)`,
  indexes: { confirm_group_due: 'group_id, due_at' },
});
