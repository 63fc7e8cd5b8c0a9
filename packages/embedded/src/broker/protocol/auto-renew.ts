import { Loop } from '@tpc/core';
import type { CommitQueue } from '../store/commit-queue.ts';
import type { BrokerStore } from '../store/store.ts';

import type { ReceiptHandle } from './receipt-handle.ts';

/** How long a delivery stays with a consumer that leaves renewing to the broker, milliseconds; renewed at a third of it. */
export const AUTO_RENEW_MS = 60_000;
const RENEW_EVERY_MS = AUTO_RENEW_MS / 3;
/** A client that lost its stream for less keeps its deliveries, milliseconds. */
const GRACE_MS = 5_000;

type Held = { group: string; topic: string; handle: ReceiptHandle };

/**
 * Push consumers do not say how long they need: the broker keeps their deliveries invisible for as long as their telemetry stream lives,
 * and gives them to others soon after it ended. Kept in memory: after a restart of the broker the deliveries run out by themselves.
 */
export class AutoRenew {
  readonly #queue: CommitQueue;
  readonly #store: BrokerStore;
  readonly #wake: (topic: string) => void;
  readonly #held = new Map<string, Held[]>();
  readonly #streams = new Map<string, number>();
  readonly #leaving = new Map<string, NodeJS.Timeout>();
  readonly #loop: Loop;

  constructor(queue: CommitQueue, store: BrokerStore, wake: (topic: string) => void) {
    this.#queue = queue;
    this.#store = store;
    this.#wake = wake;
    this.#loop = new Loop({ turn: () => this.#renew(), onError: () => RENEW_EVERY_MS });
    this.#loop.start(RENEW_EVERY_MS);
  }

  /** A client holds these deliveries. */
  hold(clientId: string, held: readonly Held[]): void {
    const mine = this.#held.get(clientId);
    if (mine) mine.push(...held);
    else this.#held.set(clientId, [...held]);
    if (!this.#streams.has(clientId)) this.#leaveSoon(clientId);
  }

  streamOpened(clientId: string): void {
    this.#streams.set(clientId, (this.#streams.get(clientId) ?? 0) + 1);
    clearTimeout(this.#leaving.get(clientId));
    this.#leaving.delete(clientId);
  }

  streamEnded(clientId: string): void {
    const open = (this.#streams.get(clientId) ?? 0) - 1;
    if (open > 0) {
      this.#streams.set(clientId, open);
      return;
    }
    this.#streams.delete(clientId);
    if (this.#held.has(clientId)) this.#leaveSoon(clientId);
  }

  close(): void {
    void this.#loop.stop();
    for (const timer of this.#leaving.values()) clearTimeout(timer);
  }

  #leaveSoon(clientId: string): void {
    if (this.#leaving.has(clientId)) return;
    this.#leaving.set(
      clientId,
      setTimeout(() => void this.#giveUp(clientId), GRACE_MS),
    );
  }

  async #renew(): Promise<number> {
    for (const [clientId, held] of this.#held) {
      const still = await this.#queue
        .submit(() => {
          const until = Date.now() + AUTO_RENEW_MS;
          return held.filter(({ group, handle }) => this.#store.keepUntil(group, handle, until));
        })
        .catch(() => held); // A full disk: the next round tries again.
      const added = (this.#held.get(clientId) ?? []).slice(held.length);
      if (still.length + added.length > 0) this.#held.set(clientId, [...still, ...added]);
      else this.#held.delete(clientId);
    }
    return RENEW_EVERY_MS;
  }

  async #giveUp(clientId: string): Promise<void> {
    this.#leaving.delete(clientId);
    const held = this.#held.get(clientId) ?? [];
    this.#held.delete(clientId);
    const now = Date.now();
    await this.#queue
      .submit(() => {
        for (const { group, handle } of held) this.#store.keepUntil(group, handle, now);
      })
      .catch(() => undefined); // Then the deliveries run out by themselves.
    for (const topic of new Set(held.map((each) => each.topic))) this.#wake(topic);
  }
}
