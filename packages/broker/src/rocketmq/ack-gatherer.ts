import { pause } from '@tpc/core';
import definition from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import type { BrokerLogger } from './connection.ts';
import type { Target } from './linked-client.ts';
import type { AckResult, Delivery } from './receiving-client.ts';
import { isLinkFailure } from './rpc-link.ts';
import { growingWait } from './waits.ts';

const { Code } = definition;

/** How long acknowledgements gather before they leave together. Nobody waits for them. */
const ACK_GATHER_MS = 50;
const MAX_ENTRIES = 256;
/** Part of the invisible time after which a repeated acknowledgement is pointless: the message comes again anyway. */
const REPEAT_WITHIN = 0.6;

/** What the gatherer needs of a client object. */
export type Acknowledger = {
  acknowledge(target: Target, topic: string, deliveries: readonly Delivery[]): Promise<{ code: number; text: string; entries: AckResult[] }>;
};

type Pending = { target: Target; topic: string; deliveries: Delivery[]; since: number };

/**
 * Gathers acknowledgements per broker and topic into few requests. One that fails is repeated for a part of the invisible time; after
 * that the message simply comes again, which the inbox knows.
 */
export class AckGatherer {
  readonly #client: Acknowledger;
  readonly #invisibleMs: number;
  readonly #log: BrokerLogger;
  readonly #pending = new Map<string, Pending>();
  readonly #underWay = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(client: Acknowledger, invisibleMs: number, log: BrokerLogger) {
    this.#client = client;
    this.#invisibleMs = invisibleMs;
    this.#log = log;
  }

  add(target: Target, topic: string, deliveries: readonly Delivery[]): void {
    if (this.#closed) return;
    const key = `${target.endpoints.facade}|${topic}`;
    const pending = this.#pending.get(key);
    if (pending) pending.deliveries.push(...deliveries);
    else this.#pending.set(key, { target, topic, deliveries: [...deliveries], since: performance.now() });
    this.#timer ??= setTimeout(() => this.#flush(), ACK_GATHER_MS);
  }

  /** Sends what has gathered and waits for the answers. */
  async drain(): Promise<void> {
    this.#flush();
    await Promise.all(this.#underWay);
  }

  /** No more repeats. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const pending of this.#pending.values()) {
      for (let from = 0; from < pending.deliveries.length; from += MAX_ENTRIES) {
        const part = { ...pending, deliveries: pending.deliveries.slice(from, from + MAX_ENTRIES) };
        const sent = this.#send(part).finally(() => this.#underWay.delete(sent));
        this.#underWay.add(sent);
      }
    }
    this.#pending.clear();
  }

  async #send(part: Pending): Promise<void> {
    for (let failures = 0; !this.#closed; ) {
      try {
        const answer = await this.#client.acknowledge(part.target, part.topic, part.deliveries);
        return await this.#judge(part, answer);
      } catch (error) {
        failures += 1;
        const tooLate = performance.now() - part.since > this.#invisibleMs * REPEAT_WITHIN;
        if (!isLinkFailure(error) || tooLate) {
          this.#log.warn(
            { topic: part.topic, count: part.deliveries.length, error: String(error) },
            'acknowledgements were lost, the messages come again',
          );
          return;
        }
        await pause(growingWait(failures));
      }
    }
  }

  async #judge(part: Pending, answer: { code: number; text: string; entries: AckResult[] }): Promise<void> {
    const late = answer.entries.filter((entry) => entry.code !== Code.OK).length;
    if (answer.entries.length > 0 || answer.code === Code.OK) {
      if (late > 0) this.#log.debug({ topic: part.topic, count: late }, 'acknowledged too late, the messages come again');
      return;
    }
    // One handle that the broker cannot read fails the whole request.
    if (part.deliveries.length > 1) {
      for (const delivery of part.deliveries) await this.#send({ ...part, deliveries: [delivery] });
      return;
    }
    this.#log.warn({ topic: part.topic, code: answer.code, error: answer.text }, 'the broker refused an acknowledgement, the message comes again');
  }
}
