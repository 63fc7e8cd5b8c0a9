import { type OutboxContent, sizeOnWire } from '../outbox/content-codec.ts';

export type Held = { content: OutboxContent; bytes: number; since: number };

/**
 * Committed messages that TPC could not be told of, kept in memory until it answers again: after an outage of a second they are on their way at once,
 * and not when the sweeper first looks at their rows. What is too old, or too much for memory, is left to the sweeper; so is all of it when the
 * process dies.
 */
export class RetryBuffer {
  readonly #maxBytes: number;
  readonly #maxAgeMs: number;
  readonly #now: () => number;
  /** By key, in the order in which they were held. */
  readonly #held = new Map<string, Held>();
  #bytes = 0;

  constructor({ maxBytes, maxAgeMs, now = () => performance.now() }: { maxBytes: number; maxAgeMs: number; now?: () => number }) {
    this.#maxBytes = maxBytes;
    this.#maxAgeMs = maxAgeMs;
    this.#now = now;
  }

  /** @param since when it was first held, on this object's clock; a message that comes back does not become younger */
  hold(content: OutboxContent, since = this.#now()): void {
    this.#dropOld();
    const bytes = sizeOnWire(content);
    if (this.#held.has(content.key) || this.#bytes + bytes > this.#maxBytes) return;
    this.#held.set(content.key, { content, bytes, since });
    this.#bytes += bytes;
  }

  /** All that are held; none is afterwards. */
  take(): Held[] {
    const young = [...this.#held.values()].filter((held) => this.#isYoung(held));
    this.#held.clear();
    this.#bytes = 0;
    return young;
  }

  #isYoung({ since }: Held): boolean {
    return this.#now() - since < this.#maxAgeMs;
  }

  /** Makes room. It looks from the front alone, so that what came back behind younger ones is dropped a little later. */
  #dropOld(): void {
    for (const [key, held] of this.#held) {
      if (this.#isYoung(held)) return;
      this.#held.delete(key);
      this.#bytes -= held.bytes;
    }
  }
}
