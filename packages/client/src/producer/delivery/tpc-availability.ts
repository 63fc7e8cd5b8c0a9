import { DEFAULT_MESSAGE_LIMITS, durationMs, type Loop, type MessageLimits, pause, type RetryPolicy, waitBeforeRetry } from '@tpc/core';
import type { TpcConnection, TpcError } from '../../connection/index.ts';
import { toTpcError } from '../../connection/index.ts';
import type { Log } from '../../log.ts';
import { createDuty } from '../../loop.ts';
import type { Mode, ProducerEvent } from '../events.ts';

type TpcAvailabilityParts = {
  tpc: TpcConnection;
  registration: () => Promise<Parameters<TpcConnection['registerProducer']>[0]>;
  deadlineMs: number;
  probe: RetryPolicy;
  log: Log;
  onEvent: (event: ProducerEvent) => void;
  /** Called when TPC is reached again, or its other replicas may be. */
  onOnline: () => void;
};

const DEFAULT_HEARTBEAT_MS = 10_000;
/** Of several replicas: so many calls in a row without an answer mean that none of them is there. */
const UNANSWERED_IN_A_ROW = 3;
/** Calls that are given up within this time are one batch, or went out together. */
const SAME_CALL_MS = 50;
const SPREAD_PROBE_MS = 1_000;
/** Bounds for what TPC asks for: a longer wait would overflow a timer. */
const MIN_HEARTBEAT_MS = 100;
const MAX_HEARTBEAT_MS = 300_000;

/**
 * Whether TPC is worth asking. One unanswered prepare (of several replicas: some calls in a row) makes it *outbox_only*: transactions then commit at once with their outbox row alone. A
 * probe, which is the registration that is due as heartbeat anyway, makes it *online* again. The waits between probes grow until a prepare is
 * answered in time, so a TPC that answers probes but not prepares costs few transactions their budget.
 */
export class TpcAvailability {
  readonly #parts: TpcAvailabilityParts;
  readonly #loop: Loop;
  #mode: Mode = 'online';
  #failures = 0;
  /** Calls since the last answer, and when the last of them was given up, on the clock of `performance.now()`. */
  #unanswered = 0;
  #unansweredAt = Number.NEGATIVE_INFINITY;
  #registered = false;
  #limits: MessageLimits = DEFAULT_MESSAGE_LIMITS;

  constructor(parts: TpcAvailabilityParts) {
    this.#parts = parts;
    this.#loop = createDuty('register producer', (signal) => this.#register(signal), parts.log);
  }

  get mode(): Mode {
    return this.#mode;
  }

  /** Whether TPC knows this instance. */
  get registered(): boolean {
    return this.#registered;
  }

  /** TPC's limits on a message, as it told them last; the usual ones until then. */
  get limits(): MessageLimits {
    return this.#limits;
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  /** A prepare was answered in time. */
  answered(): void {
    this.#failures = 0;
    this.heard();
  }

  /** Some call was answered. */
  heard(): void {
    this.#unanswered = 0;
  }

  /** TPC did not answer. Where calls go to several replicas in turn, that says something about one of them only. */
  lost(error: TpcError | undefined): void {
    if (this.#mode === 'outbox_only') return;
    if (this.#parts.tpc.spread && !this.#isStreak()) {
      this.#parts.log.debug({ status: error?.status ?? 'TOO_SLOW' }, 'a replica of TPC does not answer; the next one is asked');
      this.#parts.onOnline();
      return;
    }
    this.#failures++;
    this.#parts.log.warn({ status: error?.status ?? 'TOO_SLOW' }, 'TPC does not answer: transactions commit with their outbox row alone');
    this.#become('outbox_only');
    this.#loop.wake();
  }

  /** Counts a call that was not answered; the messages of one batch are one call. @returns true when so many in a row speak of all replicas */
  #isStreak(): boolean {
    const now = performance.now();
    if (now - this.#unansweredAt > SAME_CALL_MS) this.#unanswered++;
    this.#unansweredAt = now;
    return this.#unanswered >= UNANSWERED_IN_A_ROW;
  }

  async #register(signal: AbortSignal): Promise<number> {
    const { tpc, registration, deadlineMs, probe, log } = this.#parts;
    // Woken by `lost`: the first probe waits too, or a TPC that is only slow would be flipped on and off.
    if (this.#mode === 'outbox_only') await pause(waitBeforeRetry(probe, this.#failures, Math.random()), signal);
    if (signal.aborted) return 0;
    try {
      const answer = await tpc.registerProducer(await registration(), { deadlineMs: this.#probeDeadline(deadlineMs), signal });
      this.#registered = true;
      this.heard();
      this.#limits = limitsOf(answer.limits);
      this.#reached();
      return Math.min(MAX_HEARTBEAT_MS, Math.max(MIN_HEARTBEAT_MS, durationMs(answer.heartbeatInterval) ?? DEFAULT_HEARTBEAT_MS));
    } catch (thrown) {
      if (signal.aborted) return 0;
      const error = toTpcError(thrown);
      if (error.unavailable) {
        if (this.#mode === 'online') this.lost(error);
        else this.#failures++;
        return 0;
      }
      this.#registered = false;
      log.error({ status: error.status, reason: error.reason, field: error.field }, 'TPC refuses the registration of this producer');
      this.#reached();
      return waitBeforeRetry(probe, ++this.#failures, Math.random());
    }
  }

  /** A probe that went to a frozen replica must not keep the next one waiting, which goes to another. */
  #probeDeadline(deadlineMs: number): number {
    return this.#parts.tpc.spread && this.#mode === 'outbox_only' ? Math.min(deadlineMs, SPREAD_PROBE_MS) : deadlineMs;
  }

  #reached(): void {
    if (this.#mode === 'online') return;
    this.#parts.log.info({}, 'TPC answers again');
    this.#become('online');
    this.#parts.onOnline();
  }

  #become(mode: Mode): void {
    this.#mode = mode;
    this.#parts.onEvent({ type: 'mode', mode });
  }
}

/** An older TPC tells none, and a field that it does not know is 0: there the usual limit holds. */
function limitsOf(told: Partial<MessageLimits> | undefined): MessageLimits {
  const usual = DEFAULT_MESSAGE_LIMITS;
  return {
    maxBodyBytes: told?.maxBodyBytes || usual.maxBodyBytes,
    maxHeaders: told?.maxHeaders || usual.maxHeaders,
    maxHeadersBytes: told?.maxHeadersBytes || usual.maxHeadersBytes,
  };
}
