import type { BrokerLinkState } from '../port.ts';

/** Every broker on a route is asked for a sign of life each 10 s; an answer older than this says nothing about now, milliseconds. */
const FRESH_MS = 15_000;

/**
 * Whether the broker answers. Every call tells how it went at its address: an answer of any kind, also a refusal, means that the address
 * is there. With several brokers the link is up while one of them answers. An address that left the route does no harm, nor one that is
 * asked for routes alone: its answers of long ago do not count.
 */
export class LinkState {
  /** When each address answered last. */
  readonly #answering = new Map<string, number>();
  #connected = false;
  #error = 'not connected yet';
  #since: number;
  #wakeOnLoss: (() => void)[] = [];
  readonly #now: () => number;
  readonly #onChange: (state: BrokerLinkState) => void;

  constructor(onChange: (state: BrokerLinkState) => void, now: () => number = Date.now) {
    this.#onChange = onChange;
    this.#now = now;
    this.#since = now();
  }

  /** An address answered. */
  up(address: string): void {
    this.#answering.set(address, this.#now());
    if (!this.#connected) this.#change(true, '');
  }

  /** An address was not reached, or did not answer in time. */
  down(address: string, error: string): void {
    this.#answering.delete(address);
    for (const [other, answered] of this.#answering) if (this.#now() - answered >= FRESH_MS) this.#answering.delete(other);
    if (this.#answering.size === 0) this.lost(`${address}: ${error}`);
  }

  /** The link as a whole is gone. */
  lost(error: string): void {
    this.#answering.clear();
    if (this.#connected) this.#change(false, error);
    else this.#error = error;
    for (const wake of this.#wakeOnLoss.splice(0)) wake();
  }

  /** Resolves at once when not connected, else at the next loss. */
  whenLost(): Promise<void> {
    if (!this.#connected) return Promise.resolve();
    return new Promise((resolve) => this.#wakeOnLoss.push(resolve));
  }

  /** How long the link has been down, milliseconds; 0 while it is up. */
  downForMs(): number {
    return this.#connected ? 0 : this.#now() - this.#since;
  }

  snapshot(): BrokerLinkState {
    return { connected: this.#connected, error: this.#error, since: this.#since };
  }

  #change(connected: boolean, error: string): void {
    this.#connected = connected;
    this.#error = error;
    this.#since = this.#now();
    this.#onChange(this.snapshot());
  }
}
