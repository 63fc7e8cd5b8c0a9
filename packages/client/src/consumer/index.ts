export { UnsuitableSession } from '@tpc/core';
export {
  type ConnectTpcOptions,
  connectTpc,
  type TlsFiles,
  type TokenSource,
  type TpcConnection,
  TpcError,
  type TpcSettings,
  tlsCredentials,
  tokenFromFile,
  tpcOptionsFrom,
} from '../connection/index.ts';
export { migrateClientStore, pendingClientMigrations, renewStoreId } from '../migrations/index.ts';
export { createConsumer } from './consumer.ts';
export { DEFAULT_RETRY, DEFAULTS } from './defaults.ts';
export { EffectState, InboxState, Reason } from './domain/states.ts';
export { BadMessageError, EffectDeferred, EffectFailed, EffectUncertain } from './errors.ts';
export { effectIdOf } from './handle/run-effect.ts';
export { type InboxPage, type InboxPosition, type ListInboxOptions, listInbox } from './inbox/list-inbox.ts';
export { getInbox, type InboxDetail, type InboxEffect, type InboxEntry } from './inbox/read-inbox.ts';
export type {
  BatchHandler,
  ConsumedMessage,
  Consumer,
  ConsumerCounters,
  ConsumerEvent,
  ConsumerOptions,
  ConsumerState,
  EffectContext,
  EffectHandler,
  EffectPlan,
  Handler,
  RegistrationState,
  SubscriptionFaults,
  TransactionalHandler,
} from './types.ts';
