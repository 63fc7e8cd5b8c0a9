export { type DeliveryProperties, decodeDeliveryProperties, encodeDeliveryProperties } from './delivery-properties.ts';
export { BatchDeadlineExceeded, BatcherFull, NaturalBatcher, type NaturalBatcherOptions } from './natural-batcher.ts';
export { isExhausted, type RetryPolicy, waitBeforeRetry } from './retry-policy.ts';
export { type Dialect, dialectOf } from './sql/dialect.ts';
export { type Migrations, migrate, pendingMigrations } from './sql/migrate.ts';
export { inPacketTransaction, runTogether, type Sql, writeLater } from './sql/packet-transaction.ts';
export { inTransaction, placeholders, rowPlaceholders, run, type SqlResult, type SqlValue } from './sql/run.ts';
export { classifySqlError, doomsTransaction, isTransient, type SqlErrorKind } from './sql/sql-errors.ts';
export { withoutValues } from './sql/without-values.ts';
