export * from '../connection/index.ts';
export type { Log } from '../log.ts';
export { MIGRATION_TABLE, migrateClientStore, readStoreMeta, renewStoreId, type StoreMeta } from '../migrations/index.ts';
