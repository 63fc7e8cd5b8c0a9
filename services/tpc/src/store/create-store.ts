import { dialectOf, MAX_BATCH, ServerWatch } from '@tpc/core';
import type { Knex } from 'knex';
import type { StoreContext } from './base/context.ts';
import { inChunks, outcomeInChunks } from './base/in-chunks.ts';
import { MessageIds } from './base/message-ids.ts';
import { Names } from './base/names.ts';
import { retrying } from './base/retrying.ts';
import { pullInFarDue } from './clock/pull-in-far-due.ts';
import { listConsumerGroups } from './consumer-groups/list.ts';
import { removeConsumerGroup } from './consumer-groups/remove.ts';
import { reviewSubscriptions } from './consumer-groups/review-subscriptions.ts';
import { GroupProgress } from './deliveries/group-progress.ts';
import { markDeliveries } from './deliveries/mark-deliveries.ts';
import { getMessage } from './operators/get-message.ts';
import { listMessages } from './operators/message-list/list-messages.ts';
import { readBacklog } from './operators/read-backlog.ts';
import { resendMessage } from './operators/resend-message.ts';
import { markOverdue } from './overdue/mark-overdue.ts';
import { applyVerdicts } from './producers/apply-verdicts.ts';
import { claimUncertain, nextUncertainInMs } from './producers/claim-uncertain.ts';
import { confirmMessages } from './producers/confirm-messages.ts';
import { deleteMessages } from './producers/delete-messages.ts';
import { saveAndSendMessages } from './producers/save-and-send-messages.ts';
import { saveMessages } from './producers/save-messages.ts';
import { claimDueToPublish } from './publishing/claim-due-to-publish.ts';
import { recordPublishResults } from './publishing/record-publish-results.ts';
import { resumeUnsubscribed } from './publishing/resume-unsubscribed.ts';
import { claimDueRedeliveries } from './redelivery/claim-due-redeliveries.ts';
import { recordRedeliveryResults } from './redelivery/record-redelivery-results.ts';
import { registerConsumer } from './registration/register-consumer.ts';
import { registerProducer, touchProducerInstance } from './registration/register-producer.ts';
import { SubscriptionView } from './registration/subscription-view.ts';
import type { Store } from './store.ts';
import type { StoreObserver, StorePolicies } from './store-types.ts';

const MINUTE_MS = 60_000;

/** Waits that suit a service whose producers confirm in well under a second. Each can be configured. */
export const DEFAULT_POLICIES: StorePolicies = {
  check: { firstWaitMs: 10_000, factor: 2, maxWaitMs: 5 * MINUTE_MS, jitter: 0.2, maxAttempts: undefined },
  publish: { firstWaitMs: 500, factor: 2, maxWaitMs: 30_000, jitter: 0.2, maxAttempts: undefined },
  redeliver: { firstWaitMs: MINUTE_MS, factor: 2, maxWaitMs: 10 * MINUTE_MS, jitter: 0.2, maxAttempts: undefined },
  overtakenByMs: MINUTE_MS,
  overdueAfterMs: 30 * MINUTE_MS,
  instanceGoneMs: 30_000,
  quotas: { topics: 1_000, tags: 10_000, stores: 1_000 },
};

export type StoreOptions = {
  policies?: StorePolicies;
  /** Default: nobody. */
  observer?: StoreObserver;
  /** A number in [0, 1), for jitter and turns. Default: Math.random. */
  random?: () => number;
  /** Monotonic clock, milliseconds, for what is remembered for a while. Due times are always the database's. Default: performance.now. */
  clock?: () => number;
};

const NOBODY: StoreObserver = { onConsumed: () => {}, onFinished: () => {}, onDead: () => {}, onStrayCopies: () => {} };

/** Everything that the functions share; also for tests that look at one of them. */
export function createStoreContext(knex: Knex, options: StoreOptions = {}): StoreContext {
  const sql = dialectOf(knex);
  const random = options.random ?? Math.random;
  const retry: StoreContext['retry'] = (work) => retrying(random, work);
  const policies = options.policies ?? DEFAULT_POLICIES;
  const clock = options.clock ?? (() => performance.now());
  const remembered = {
    names: new Names({ knex, sql, retry, policies }),
    subscriptions: new SubscriptionView({ knex, retry }, clock),
    progress: new GroupProgress(clock),
  };
  const servers = ServerWatch.of(knex);
  servers.onChange(() => {
    for (const memory of Object.values(remembered)) memory.forget();
  });
  return {
    ...remembered,
    knex,
    sql,
    policies,
    random,
    ids: new MessageIds(),
    servers,
    epoch: {},
    observer: options.observer ?? NOBODY,
    retry,
  };
}

/**
 * The store over a migrated database (migrations/index.ts). MySQL and MariaDB sessions must be UTC, READ COMMITTED, wait about 1 s for a lock, and lose
 * an idle transaction after less than a lease; SQLite must be one connection. The platform's openDatabase does all that.
 */
export function createStore(knex: Knex, options: StoreOptions = {}): Store {
  const ctx = createStoreContext(knex, options);
  return onOneServer(ctx.servers, {
    saveMessages: (items) => inChunks(items, (part) => saveMessages(ctx, part)),
    confirmMessages: (items, claim) => outcomeInChunks(items, (part) => confirmMessages(ctx, part, claim)),
    saveAndSendMessages: (items, claim, until) => outcomeInChunks(items, (part) => saveAndSendMessages(ctx, part, claim, until)),
    deleteMessages: (items) => inChunks(items, (part) => deleteMessages(ctx, part)),
    applyVerdicts: (items, claim) => outcomeInChunks(items, (part) => applyVerdicts(ctx, part, claim)),
    claimUncertain: (owner, limit) => claimUncertain(ctx, owner, atMost(limit)),
    nextUncertainInMs: (owner) => nextUncertainInMs(ctx, owner),
    claimDueToPublish: (limit, claim) => claimDueToPublish(ctx, atMost(limit), claim),
    recordPublishResults: async (token, results) => sum(await inChunks(results, async (part) => [await recordPublishResults(ctx, token, part)])),
    claimDueRedeliveries: (limit, claim) => claimDueRedeliveries(ctx, atMost(limit), claim),
    recordRedeliveryResults: async (token, results) =>
      sum(await inChunks(results, async (part) => [await recordRedeliveryResults(ctx, token, part)])),
    markOverdue: (limit) => markOverdue(ctx, atMost(limit)),
    pullInFarDue: (limit, leaseMs) => pullInFarDue(ctx, atMost(limit), leaseMs),
    resumeUnsubscribed: (limit) => resumeUnsubscribed(ctx, atMost(limit)),
    markDeliveries: (marks) => inChunks(marks, (part) => markDeliveries(ctx, part)),
    registerProducer: (registration) => registerProducer(ctx, registration),
    registerConsumer: (registration) => registerConsumer(ctx, registration),
    touchProducerInstance: (instance) => touchProducerInstance(ctx, instance),
    listMessages: (request) => listMessages(ctx, request),
    getMessage: (messageKey, what) => getMessage(ctx, messageKey, what),
    resendMessage: (request) => resendMessage(ctx, request),
    listConsumerGroups: (request) => listConsumerGroups(ctx, request),
    removeConsumerGroup: (request) => removeConsumerGroup(ctx, request),
    reviewSubscriptions: () => reviewSubscriptions(ctx),
    readBacklog: () => readBacklog(ctx),
  });
}

/** Each call goes to one server from its first look at a name to its last statement, or begins anew. */
function onOneServer(servers: ServerWatch, store: Store): Store {
  const calls = Object.entries(store as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>);
  const guarded = calls.map(([name, call]) => [name, (...args: unknown[]) => servers.onOneServer(() => call(...args))]);
  return Object.fromEntries(guarded) as Store;
}

function atMost(limit: number): number {
  return Math.min(limit, MAX_BATCH);
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
