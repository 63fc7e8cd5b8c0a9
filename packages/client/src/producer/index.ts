export { UnsuitableSession } from '@tpc/core';
export {
  type ConnectTpcOptions,
  connectTpc,
  type TlsFiles,
  type TokenSource,
  type TpcCallOptions,
  type TpcClient,
  type TpcConnection,
  TpcError,
  type TpcSettings,
  tlsCredentials,
  tokenFromFile,
  tpcOptionsFrom,
} from '../connection/index.ts';
export type { Log } from '../log.ts';
export { migrateClientStore, pendingClientMigrations, readStoreMeta, renewStoreId, type StoreMeta } from '../migrations/index.ts';
export { type CheckBackOptions, DEFAULT_PREPARE_BUDGET_MS, type ProducerOptions, type SweepOptions } from './config.ts';
export type { SweepResult } from './delivery/sweeper.ts';
export { InvalidMessage, type OutboxMessage, type SendType } from './domain/message.ts';
export type { TraceContext } from './domain/trace-context.ts';
export { KeyAlreadyUsed, OutboxMisuse, OutcomeUnknown, TransactionDoomed } from './errors.ts';
export type { Mode, ProducerEvent, ProducerState } from './events.ts';
export type { Outbox } from './outbox/outbox.ts';
export { createProducer, type Producer } from './producer.ts';
export type { Work } from './transaction/transaction.ts';
