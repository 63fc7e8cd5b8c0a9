export { type CachedOptions, type CachedReading, cachedReading, FRESH_MS } from './cached-reading.ts';
export * from './contract/index.ts';
export { type DeliveryProperties, decodeDeliveryProperties, encodeDeliveryProperties } from './delivery-properties.ts';
export { harmlessLog, type LineLog } from './harmless-log.ts';
export { harmlessMeter } from './harmless-meter.ts';
export { proxyOptions, proxyVariableFor } from './http-proxy.ts';
export { type Language, languageOf, toLanguage } from './language.ts';
export { cannotListen } from './listen-error.ts';
export { Loop, type LoopOptions, type Turn } from './loop.ts';
export { isMistake } from './mistake.ts';
export { BatchDeadlineExceeded, BatcherFull, NaturalBatcher, type NaturalBatcherOptions } from './natural-batcher.ts';
export { isExhausted, longestWait, type RetryPolicy, waitBeforeRetry, withRetries } from './retry-policy.ts';
export { type Beginning, type BeginningConnection, beginBy, type Opening, openedBy, takesPackets } from './sql/begin.ts';
export type { Queryable, Tx } from './sql/database.ts';
export { type Dialect, dialectOf } from './sql/dialect.ts';
export { inTransaction } from './sql/in-transaction.ts';
export { lend } from './sql/lent-connection.ts';
export { type Migrations, migrate, pendingMigrations } from './sql/migrate.ts';
export { bodyInPacket } from './sql/packet-size.ts';
export { afterCommit, deferWrite, inPacketTransaction, runOnPrimary, runTogether } from './sql/packet-transaction.ts';
export { redact } from './sql/redact.ts';
export { placeholders, run, valueRows } from './sql/run.ts';
export { underServerLock } from './sql/server-lock.ts';
export { acquire, checkSessionsOf, readSettings, UnsuitableSession } from './sql/session/checked-sessions.ts';
export { dispose, disposeIfUseless, isUseless } from './sql/session/dispose.ts';
export { durabilityWarnings } from './sql/session/durability.ts';
export { type SessionFault, sessionFaults } from './sql/session/faults.ts';
export { type DatabaseFinding, databaseFindings } from './sql/session/findings.ts';
export { ServerStatus, serverStatusOf } from './sql/session/server-status.ts';
export { OtherServer, ServerWatch } from './sql/session/server-watch.ts';
export {
  endedTransaction,
  isReadCommitted,
  type SessionSettings,
  type SettingRow,
  SHOW_SETTINGS,
  serverOf,
  settingsOf,
} from './sql/session/settings.ts';
export { limitStatements, ROLLBACK_LIMIT_MS, withinLimit } from './sql/session/statement-limit.ts';
export { isStillOpen } from './sql/session/still-open.ts';
export {
  classifySqlError,
  doomsTransaction,
  duplicateKeyOf,
  exceedsPacket,
  isContentFault,
  isTransient,
  type SqlErrorKind,
} from './sql/sql-errors.ts';
export type { Sql, SqlResult, SqlValue } from './sql/types.ts';
export { bound } from './sql/values.ts';
export { durationMs, orAborted, pause, secondsAndNanos, toDuration, type WireDuration, withDeadline } from './time.ts';
export { traceIdOf } from './trace-id.ts';
export { MessageSpan } from './tracing/message-span.ts';
export {
  endSpan,
  errorTypeOf,
  inSpan,
  linkTo,
  type MessageSpanOptions,
  MessageTracer,
  statementsAreTracedByHand,
  statementsUnderSpan,
} from './tracing/message-tracer.ts';
export {
  BATCH_COPY,
  batchAttributes,
  databaseAttributes,
  MESSAGE_KEY,
  messageAttributes,
  messageSpanName,
  onlyKey,
  rpcAttributes,
  type TracedMessage,
} from './tracing/span-attributes.ts';
export {
  contextOf,
  contextUnder,
  isKept,
  isKeptTrace,
  keptContext,
  keptTraceparent,
  NO_STORED_TRACE,
  type StoredTrace,
  spanContextOf,
  storedTraceOf,
  storedTraceOfContext,
} from './tracing/trace-context.ts';
