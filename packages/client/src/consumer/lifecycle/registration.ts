import type { BrokerSubscriberState } from '@tpc/broker';
import { durationMs, type Loop, type RetryPolicy, toDuration, waitBeforeRetry } from '@tpc/core';
import { type TpcError, toTpcError } from '../../connection/index.ts';
import { createDuty } from '../../loop.ts';
import type { Settings } from '../defaults.ts';
import type { RegistrationState } from '../types.ts';
import { NotedFaults } from './noted-faults.ts';

const DEADLINE_MS = 5_000;
const MAX_RETRY_MS = 15_000;
const RETRY_JITTER = 0.2;
const MIN_HEARTBEAT_MS = 200;
const MAX_HEARTBEAT_MS = 300_000;

/** What TPC says when the group is bound to another inbox database. */
const STORE_CONFLICT = 'INBOX_STORE_CONFLICT';

/** What a heartbeat's answer means. */
export type HeartbeatOutcome = 'accepted' | 'conflict' | 'refused' | 'unavailable';

export function outcomeOfHeartbeat(error: TpcError | undefined): HeartbeatOutcome {
  if (error === undefined) return 'accepted';
  if (error.is(STORE_CONFLICT)) return 'conflict';
  return error.retryable ? 'unavailable' : 'refused';
}

type RegistrationRequest = {
  storeId: string;
  /** Which topics are idle is asked at each heartbeat. */
  broker: () => Pick<BrokerSubscriberState, 'idle' | 'idleTopics'> | undefined;
};

/**
 * Registers this instance with TPC and says again and again that it lives. TPC away: tried on, for ever, with a growing wait. A group bound to
 * another inbox (`conflict`): said clearly, asked again at the longest wait, since an operator may rebind the group.
 */
export class Registration {
  readonly #settings: Settings;
  readonly #request: RegistrationRequest;
  readonly #onOutcome: (outcome: HeartbeatOutcome, error: TpcError | undefined) => void;
  readonly #loop: Loop;
  readonly #retry: RetryPolicy;
  readonly #abort = new AbortController();
  /** What TPC finds wrong with the subscriptions of the group. */
  readonly faults: NotedFaults;
  #state: RegistrationState = 'pending';
  #error = '';
  #failures = 0;

  constructor(settings: Settings, request: RegistrationRequest, onOutcome: (outcome: HeartbeatOutcome, error: TpcError | undefined) => void) {
    this.#settings = settings;
    this.#request = request;
    this.#onOutcome = onOutcome;
    this.#retry = { firstWaitMs: settings.registerRetryMs, factor: 2, maxWaitMs: MAX_RETRY_MS, jitter: RETRY_JITTER, maxAttempts: undefined };
    this.faults = new NotedFaults(settings);
    this.#loop = createDuty('register consumer', () => this.#heartbeat(), settings.log);
  }

  get state(): RegistrationState {
    return this.#state;
  }

  /** Why the last heartbeat failed; empty when it did not. */
  get error(): string {
    return this.#error;
  }

  start(): void {
    this.#loop.start();
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#loop.stop();
  }

  /** @returns the wait until the next one, milliseconds */
  async #heartbeat(): Promise<number> {
    let interval: number | undefined;
    let error: TpcError | undefined;
    try {
      interval = await this.#register();
    } catch (cause) {
      if (this.#abort.signal.aborted) return 0;
      error = toTpcError(cause);
    }
    const outcome = outcomeOfHeartbeat(error);
    this.#note(outcome, error);
    this.#onOutcome(outcome, error);
    if (interval !== undefined) {
      this.#failures = 0;
      return Math.min(MAX_HEARTBEAT_MS, Math.max(MIN_HEARTBEAT_MS, interval));
    }
    return error?.retryAfterMs ?? waitBeforeRetry(this.#retry, ++this.#failures, Math.random());
  }

  async #register(): Promise<number> {
    const { tpc, group, instanceId, subscriptions, host, inboxRetentionMs } = this.#settings;
    const { idle = false, idleTopics = [] } = this.#request.broker() ?? {};
    const response = await tpc.registerConsumer(
      {
        consumerGroup: group,
        storeId: this.#request.storeId,
        instanceId,
        subscriptions: subscriptions.map(({ topic, tags }) => ({ topic, tags: [...tags], idle: idleTopics.includes(topic) })),
        host: host.slice(0, 128),
        idle,
        inboxRetention: inboxRetentionMs === undefined ? undefined : toDuration(inboxRetentionMs),
      },
      { deadlineMs: DEADLINE_MS, signal: this.#abort.signal },
    );
    this.faults.note({ differing: response.differingSubscriptions, untaken: response.untakenSubscriptions });
    return durationMs(response.heartbeatInterval) ?? MAX_RETRY_MS;
  }

  #note(outcome: HeartbeatOutcome, error: TpcError | undefined): void {
    const { log, group } = this.#settings;
    const before = this.#state;
    if (outcome === 'accepted') this.#state = 'registered';
    else if (outcome === 'unavailable') this.#state = before === 'registered' || before === 'unreachable' ? 'unreachable' : before;
    else this.#state = 'refused';
    const words = error === undefined ? '' : [error.metadata.name ?? error.reason, error.message].filter(Boolean).join(': ');
    const changed = before !== this.#state || words !== this.#error;
    this.#error = words;
    if (!changed) return;
    const fields = { consumer_group: group, store_id: this.#request.storeId, ...(error && { err: error }) };
    if (outcome === 'accepted') log.info(fields, 'registered with TPC');
    else if (outcome === 'unavailable') log.warn(fields, 'TPC cannot be reached; registration is tried again');
    else if (outcome === 'refused') log.error(fields, 'TPC refuses the registration; it is tried again');
    else {
      log.error(
        fields,
        'TPC has bound this consumer group to another inbox database: nothing is received or handled here. Point the service at the group’s own database, or let an operator rebind the group.',
      );
    }
  }
}
