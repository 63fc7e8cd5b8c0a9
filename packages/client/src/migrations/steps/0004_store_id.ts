import type { MigrationStep } from '../step.ts';

/**
 * Gives the database its id, once. It is random, so that no two databases share it unless one is a copy of the other. The clock is read by
 * julianday, since this runs as plain SQL too: the SQLite of other languages is often older than 3.42, which brought unixepoch('subsec').
 */
export const storeId: MigrationStep = {
  name: '0004_store_id',
  mysql: `INSERT INTO tpc_store_meta (id, store_id, created_at)
SELECT 1, LEFT(SHA2(CONCAT(UUID(), RAND(), CONNECTION_ID()), 256), 32), TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000 FROM DUAL
WHERE NOT EXISTS (SELECT 1 FROM tpc_store_meta WHERE id = 1)`,
  sqlite: [
    `INSERT INTO tpc_store_meta (id, store_id, created_at)
SELECT 1, lower(hex(randomblob(16))), CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)
WHERE NOT EXISTS (SELECT 1 FROM tpc_store_meta WHERE id = 1)`,
  ],
};
