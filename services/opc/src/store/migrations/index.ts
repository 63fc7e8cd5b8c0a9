import type { Migrations } from '@tpc/core';
import { pageTokenSecret } from './0001_page_token_secret.ts';

/** OPC's own schema, beside the client library's; new steps are added at the end, none is edited after it landed. */
export const opcMigrations: Migrations = { tableName: 'opc_migrations', list: [pageTokenSecret] };
