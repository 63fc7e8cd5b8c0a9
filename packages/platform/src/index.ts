export {
  type AccessOptions,
  type AccessRule,
  AUTH_REASONS,
  type Caller,
  describeCaller,
  guard,
  hashToken,
  needs,
  ownGroupOnly,
  parseTokensFile,
  ROLES,
  type Role,
  reflectionSetting,
  type TokenEntry,
  tlsSettings,
  tokensFileSetting,
  tpcLinkSettings,
} from './auth/index.ts';
export { AppError, type AppErrorOptions, type FieldViolation, SchemaBehind, StartError, toAppError, UnsuitableDatabase } from './errors.ts';
export { type ConnectionLimits, connectionSettings } from './grpc/connection-limits.ts';
export { type GrpcServer, type GrpcServerOptions, type ServiceEntry, SHORT_REQUEST_BYTES, serve, startGrpcServer } from './grpc/grpc-server.ts';
export { createPageTokens, type PageTokens } from './grpc/page-token.ts';
export { OK_STATUS, readRpcStatus, toRpcStatus, toServiceError } from './grpc/status-details.ts';
export type { CallContext, UnaryHandler, UnaryHandlers } from './grpc/unary.ts';
export { createDatabaseProbe, probeWrite } from './health/database-probe.ts';
export { type HealthServer, healthSettings, LIVE, startHealthServer } from './health/health-server.ts';
export { createHealthWatch } from './health/health-watch.ts';
export { createRepeater, type Repeater } from './health/repeater.ts';
export { type BrokerConnection, brokerConnectionFrom, brokerSettings } from './host/broker-settings.ts';
export {
  bindSetting,
  type ConfigSchema,
  describeConfig,
  integerSetting,
  isLoopback,
  loadConfig,
  loopbackSetting,
  type MigrateMode,
  migrateSetting,
  optionalBindSetting,
  optionalPortSetting,
  portSetting,
  type SettingRow,
  secretSetting,
} from './host/config.ts';
export { type Running, runMain, STOP_DEADLINE_MS, stopAll } from './host/lifecycle.ts';
export { didYouMean } from './host/near-misses.ts';
export { type Program, runProgram } from './host/program.ts';
export type { KeyValueState, KeyValueStore } from './key-value/key-value-store.ts';
export { openKeyValueStore } from './key-value/open-key-value-store.ts';
export { isRedisAddress, REDIS_ADDRESS_FORMS } from './key-value/redis-address.ts';
export { openRedisKeyValueStore, type RedisKeyValueOptions } from './key-value/redis-key-value-store.ts';
export { openSqliteKeyValueStore } from './key-value/sqlite-key-value-store.ts';
export { createLog, type Log, type LogOptions, logFrom, logPartsOf, partLog } from './log/log.ts';
export { LOG_LEVELS, type LogLevel } from './log/log-levels.ts';
export { formatSetting, levelSetting, logSettings } from './log/log-settings.ts';
export { ipNetwork, plainIp } from './net/ip-network.ts';
export { type Protocol, whatAnswers } from './net/what-answers.ts';
export { type DatabaseSetting, judgeDatabaseFailure } from './sql/database-failures.ts';
export { assertWritable, type DatabaseOptions, openDatabase } from './sql/open-database.ts';
export { bringUpToDate, migrateDatabase, prepareDatabase, schemaOf } from './sql/prepare-database.ts';
export { type Metrics, type MetricsOptions, startMetrics } from './telemetry/metrics.ts';
export { BATCH_COUNTS, DELIVERY_SECONDS, LATENCY_SECONDS } from './telemetry/metrics-buckets.ts';
export { observePool } from './telemetry/metrics-parts.ts';
export { metricsHostSetting, metricsPortSetting } from './telemetry/metrics-settings.ts';
export { traceStatements } from './telemetry/statement-spans.ts';
export { startTracing, type Tracing, type TracingConfig, traceTo, tracingSettings } from './telemetry/tracing.ts';
