import type { BrokerLinkState } from '../port.ts';

/**
 * Whether the broker answers. Every call tells how it went at its address: an answer of any kind, also a refusal, means that the address
 * is there. With several brokers the link is up while one of them answers, and an address that left the route does no harm.
 */
export class LinkState {
  readonly #answering = new Set<string>();
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
    this.#answering.add(address);
    if (!this.#connected) this.#change(true, '');
  }

  /** An address was not reached, or did not answer in time. */
  down(address: string, error: string): void {
    this.#answering.delete(address);
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
