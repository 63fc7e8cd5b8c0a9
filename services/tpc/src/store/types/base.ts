import type { Dialect } from '@tpc/core';
import type { Knex } from 'knex';
import type { StorePolicies } from './policies.ts';

/** What every part of the store stands on. */
export type StoreBase = {
  knex: Knex;
  sql: Dialect;
  policies: StorePolicies;
  /** Runs work again when the database asks for it (retrying.ts). */
  retry: <T>(work: () => Promise<T>) => Promise<T>;
};
