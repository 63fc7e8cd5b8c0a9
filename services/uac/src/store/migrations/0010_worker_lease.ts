import { ddl } from './columns.ts';

/**
 * Worker ids of Snowflake, each leased by one process. `expires_at` is the database's clock; `reserved_until` is the highest time stamp, on
 * the owner's clock, that ids of this worker may carry: the next owner starts after it.
 */
export const workerLease = ddl(
  '0010_worker_lease',
  ({ ascii, end }) => `CREATE TABLE IF NOT EXISTS uac_worker_lease (
  worker_id INT NOT NULL PRIMARY KEY,
  owner ${ascii(36)} NOT NULL,
  expires_at BIGINT NOT NULL,
  reserved_until BIGINT NOT NULL
${end}`,
);
