import { orAborted, pause } from '@tpc/core';
import type { BrokerSubscriberOptions } from '../port.ts';
import type { AckGatherer } from './ack-gatherer.ts';
import type { BrokerLogger } from './connection.ts';
import type { Target } from './linked-client.ts';
import type { Delivery, ReceiveOptions, ReceivingClient } from './receiving-client.ts';
import { isLinkFailure } from './rpc-link.ts';
import { growingWait } from './waits.ts';

/** What the loops of one client object share. */
export type ReceiveSession = {
  client: ReceivingClient;
  acks: AckGatherer;
  log: BrokerLogger;
  receive: ReceiveOptions;
  onBatch: BrokerSubscriberOptions['onBatch'];
  beforeReceive: BrokerSubscriberOptions['beforeReceive'];
  /** Aborted when the loops shall end. */
  ending: AbortSignal;
};

/**
 * One receive loop for one topic at one broker: wait for room, poll, hand the batch over, acknowledge, again. What goes wrong in a turn
 * makes the next one wait longer, so that a handler whose database is away does not use up the messages' deliveries.
 */
export class ReceiveLoop {
  /** True when the last poll came back without a message, and the next one waits at the broker. */
  empty = false;
  /** Why, and since when, the broker refuses to give messages to this loop. */
  refusal: { error: string; since: number } | undefined;
  readonly topic: string;
  readonly ended: Promise<void>;
  readonly #session: ReceiveSession;
  readonly #brokerName: string;
  readonly #onReached: () => void;

  constructor(session: ReceiveSession, topic: string, brokerName: string, onReached: () => void) {
    this.#session = session;
    this.topic = topic;
    this.#brokerName = brokerName;
    this.#onReached = onReached;
    this.ended = this.#run();
  }

  async #run(): Promise<void> {
    const { ending, log } = this.#session;
    for (let failures = 0; !ending.aborted; ) {
      try {
        if (!(await this.#turn())) return;
        failures = 0;
      } catch (error) {
        if (ending.aborted) return;
        this.empty = false;
        failures += 1;
        log.debug({ topic: this.topic, error: String(error) }, 'receive turn failed');
        await pause(growingWait(failures), ending);
      }
    }
  }

  /** @returns false when the broker no longer serves the topic */
  async #turn(): Promise<boolean> {
    const { client, beforeReceive, ending, receive } = this.#session;
    if (beforeReceive) await this.#waitForRoom(beforeReceive, ending);
    if (ending.aborted) return true;
    const target = (await client.targets(this.topic, 'read')).find(({ brokerName }) => brokerName === this.#brokerName);
    if (!target) return false;
    const deliveries = await client.receive(target, this.topic, receive, this.#onReached).catch((error) => this.#noteRefusal(error));
    this.refusal = undefined;
    this.#onReached();
    this.empty = deliveries.length === 0;
    if (!this.empty) await this.#handle(target, deliveries);
    return true;
  }

  /** While it must not poll, nobody knows what waits at the broker. */
  async #waitForRoom(beforeReceive: (topic: string) => Promise<void>, ending: AbortSignal): Promise<void> {
    const wasEmpty = this.empty;
    this.empty = false;
    await orAborted(beforeReceive(this.topic), ending);
    this.empty = wasEmpty;
  }

  #noteRefusal(error: unknown): never {
    if (!isLinkFailure(error) && this.refusal === undefined) {
      this.refusal = { error: error instanceof Error ? error.message : String(error), since: Date.now() };
      this.#session.log.warn({ topic: this.topic, error: this.refusal.error }, 'the broker refuses to give messages');
    }
    throw error;
  }

  async #handle(target: Target, deliveries: readonly Delivery[]): Promise<void> {
    const { onBatch, acks, log } = this.#session;
    try {
      await onBatch(deliveries.map(({ message }) => message));
    } catch (error) {
      log.warn({ topic: this.topic, count: deliveries.length, error: String(error) }, 'a received batch was rejected, it comes again');
      throw error;
    }
    acks.add(target, this.topic, deliveries);
  }
}
