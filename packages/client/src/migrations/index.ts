export { MIGRATION_TABLE, migrateClientStore, pendingClientMigrations } from './migrate.ts';
export { plainSql } from './plain-sql.ts';
export { readStoreMeta, renewStoreId, type StoreMeta } from './store-meta.ts';
