import { tableStep } from './table.ts';

/**
 * Operators' acts by their request id, with the answer given: a repetition is answered alike and does nothing. `act` and `subject` tell a repetition
 * from a reused id. Serves: the id (PRIMARY), clean-up by time. New with the first release; empty, instant.
 */
export const adminRequest = tableStep({
  name: '0016_admin_request',
  table: 'admin_request',
  columns: (t) => `
  request_id ${t.ascii(64)} NOT NULL PRIMARY KEY,
  act ${t.ascii(32)} NOT NULL,
  subject ${t.text(512)} NOT NULL,
  answer ${t.smallBlob} NULL,
  at BIGINT NOT NULL`,
  indexes: { admin_request_at: 'at' },
});
