/**
 * What goes into the store and comes out of it, by duty. Times are UTC milliseconds of the database's clock, lengths of time are milliseconds. Names,
 * keys and groups are already validated.
 */
export type * from './types/consuming.ts';
export type * from './types/observing.ts';
export type * from './types/operators.ts';
export type * from './types/policies.ts';
export type * from './types/producing.ts';
export type * from './types/publishing.ts';
export type * from './types/registration.ts';
