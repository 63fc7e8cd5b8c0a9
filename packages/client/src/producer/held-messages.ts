import { type OutboxContent, sizeOnWire } from './content-codec.ts';

type Held = { content: OutboxContent; bytes: number; since: number };

/**
 * Committed messages that TPC could not be told of, kept in memory until it answers again: after an outage of a second they are on their way at once,
 * and not when the sweeper first looks at their rows. What is too old, or too much for memory, is left to the sweeper; so is all of it when the
 * process dies.
 */
export class HeldMessages {
  readonly #maxBytes: number;
  readonly #maxAgeMs: number;
  readonly #now: () => number;
  /** By key, the oldest first. */
  readonly #held = new Map<string, Held>();
  #bytes = 0;

  constructor({ maxBytes, maxAgeMs, now = () => performance.now() }: { maxBytes: number; maxAgeMs: number; now?: () => number }) {
    this.#maxBytes = maxBytes;
    this.#maxAgeMs = maxAgeMs;
    this.#now = now;
  }

  hold(content: OutboxContent): void {
    this.#dropOld();
    const bytes = sizeOnWire(content);
    if (this.#held.has(content.key) || this.#bytes + bytes > this.#maxBytes) return;
    this.#held.set(content.key, { content, bytes, since: this.#now() });
    this.#bytes += bytes;
  }

  /** All that are held; none is afterwards. */
  take(): OutboxContent[] {
    this.#dropOld();
    const contents = [...this.#held.values()].map(({ content }) => content);
    this.#held.clear();
    this.#bytes = 0;
    return contents;
  }

  #dropOld(): void {
    for (const [key, { bytes, since }] of this.#held) {
      if (this.#now() - since < this.#maxAgeMs) return;
      this.#held.delete(key);
      this.#bytes -= bytes;
    }
  }
}
