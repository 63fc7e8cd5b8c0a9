import type { ServerWatch, Tx } from '@tpc/core';
import type { Knex } from 'knex';
import type { GroupProgress } from '../deliveries/group-progress.ts';
import type { SubscriptionView } from '../registration/subscription-view.ts';
import type { StoreBase } from '../types/base.ts';
import type { StoreObserver } from '../types/observing.ts';
import type { MessageIds } from './message-ids.ts';
import type { Names } from './names.ts';

/** What the store's functions share. Each takes it first and uses little of it. */
export type StoreContext = StoreBase & {
  /** A number in [0, 1), for jitter. */
  random: () => number;
  names: Names;
  ids: MessageIds;
  subscriptions: SubscriptionView;
  progress: GroupProgress;
  /** Tells when another server answers, or the same one from an earlier moment. */
  servers: ServerWatch;
  /** The last that was read. */
  epoch: { last?: number };
  observer: StoreObserver;
  /**
   * There when a write met copies at the id of a message that was never sent: what starts sending then looks for them, and notes here the keys of
   * what it sets aside (repair/stray-copies.ts).
   */
  strays?: Set<string>;
};

/** A transaction or the pool: for functions that only read, or whose caller decides. */
export type Db = Knex | Tx;
