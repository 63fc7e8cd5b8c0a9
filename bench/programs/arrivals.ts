import { now } from '../clock.ts';

/** How often the starter hears how far the consumer is, milliseconds. */
const TELL_MS = 20;

/** When each message got where, by its id; a time that a system does not have is missing. */
export type ArrivalTable = { stage: string; ids: string[]; times: Float64Array }[];

/** What a consumer program notes; the first time counts. */
export class Arrivals {
  readonly #stages = new Map<string, Map<string, number>>();
  #told = 0;

  constructor() {
    setInterval(() => this.#tell(), TELL_MS).unref();
  }

  get consumed(): number {
    return this.#stages.get('consumed')?.size ?? 0;
  }

  note(stage: string, ids: readonly string[], time = now()): void {
    const times = this.#stages.get(stage) ?? new Map<string, number>();
    this.#stages.set(stage, times);
    for (const id of ids) if (!times.has(id)) times.set(id, time);
  }

  /** Hands over what was noted since the last time. */
  take(): ArrivalTable {
    const table = [...this.#stages].map(([stage, times]) => ({ stage, ids: [...times.keys()], times: Float64Array.from(times.values()) }));
    this.#stages.clear();
    return table;
  }

  #tell(): void {
    if (this.#told === this.consumed) return;
    this.#told = this.consumed;
    process.send?.({ method: 'consumed', argument: this.#told });
  }
}
