import type { BrokerLinkState } from '../port.ts';

/**
 * Whether the broker answers. Every call over the link tells it how it went: an answer of any kind, also a refusal, means connected;
 * an unreachable or silent broker means not connected.
 */
export class LinkState {
  #connected = false;
  #error = 'not connected yet';
  #since: number;
  #wakeOnDown: (() => void)[] = [];
  readonly #now: () => number;
  readonly #onChange: (state: BrokerLinkState) => void;

  constructor(onChange: (state: BrokerLinkState) => void, now: () => number = Date.now) {
    this.#onChange = onChange;
    this.#now = now;
    this.#since = now();
  }

  up(): void {
    if (this.#connected) return;
    this.#change(true, '');
  }

  down(error: string): void {
    const wasConnected = this.#connected;
    if (wasConnected) this.#change(false, error);
    else this.#error = error;
    for (const wake of this.#wakeOnDown.splice(0)) wake();
  }

  /** Resolves at once when not connected, else at the next loss. */
  whenDown(): Promise<void> {
    if (!this.#connected) return Promise.resolve();
    return new Promise((resolve) => this.#wakeOnDown.push(resolve));
  }

  get connected(): boolean {
    return this.#connected;
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
