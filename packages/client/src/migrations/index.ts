export { clientMigrationSource, MIGRATION_TABLE, migrateClientStore } from './migrate.ts';
export { plainSql } from './plain-sql.ts';
export { readStoreMeta, renewStoreId, type StoreMeta } from './store-meta.ts';
