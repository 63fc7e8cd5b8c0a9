import { setTimeout as sleep } from 'node:timers/promises';
import { now } from '../clock.ts';

export type Load = {
  /** Callers that each wait for their transaction before they begin the next. */
  callers: number;
  seconds: number;
  /** Set: so many begin each second, whatever the others do. */
  perSecond?: number;
};

/** What became of one message on the producer's side; times by `now()`. */
export type Sent = { id: string; begun: number; committed: number };

/** Columns rather than objects: tens of thousands travel to the starter. */
export type SentTable = { ids: string[]; begun: Float64Array; committed: Float64Array; failed: number; firstError: string };

/** A producer far ahead of its consumer would measure a queue; so many may be committed and not consumed. */
const MIN_AHEAD = 200;
const AHEAD_PER_CALLER = 4;

/** Callers of one program. Told how many messages were consumed, they stay near them. */
export class Callers {
  #committed = 0;
  #consumed = 0;
  #wake: (() => void)[] = [];

  /** @param consumed since the last `run` began */
  noteConsumed(consumed: number): void {
    this.#consumed = consumed;
    for (const wake of this.#wake.splice(0)) wake();
  }

  async run({ callers, seconds, perSecond }: Load, send: () => Promise<Sent>): Promise<SentTable> {
    this.#committed = 0;
    this.#consumed = 0;
    const sent: Sent[] = [];
    const errors: unknown[] = [];
    const end = performance.now() + seconds * 1000;
    const once = async () => {
      try {
        sent.push(await send());
        this.#committed++;
      } catch (error) {
        errors.push(error);
      }
    };
    if (perSecond === undefined) await this.#closedLoop(callers, end, once);
    else await steadily(perSecond, end, once);
    return toTable(sent, errors);
  }

  async #closedLoop(callers: number, end: number, once: () => Promise<void>): Promise<void> {
    const ahead = Math.max(MIN_AHEAD, AHEAD_PER_CALLER * callers);
    const call = async () => {
      while (performance.now() < end) {
        if (this.#committed - this.#consumed > ahead) await this.#room(end);
        else await once();
      }
    };
    await Promise.all(Array.from({ length: callers }, call));
  }

  async #room(end: number): Promise<void> {
    const told = new Promise<void>((resolve) => this.#wake.push(resolve));
    await Promise.race([told, sleep(Math.max(1, end - performance.now()), undefined, { ref: false })]);
  }
}

async function steadily(perSecond: number, end: number, once: () => Promise<void>): Promise<void> {
  const began = performance.now();
  const under: Promise<void>[] = [];
  for (let count = 0; performance.now() < end; count++) {
    const due = began + (count * 1000) / perSecond;
    if (due > performance.now()) await sleep(due - performance.now());
    under.push(once());
  }
  await Promise.all(under);
}

function toTable(sent: readonly Sent[], errors: readonly unknown[]): SentTable {
  return {
    ids: sent.map(({ id }) => id),
    begun: Float64Array.from(sent, ({ begun }) => begun),
    committed: Float64Array.from(sent, ({ committed }) => committed),
    failed: errors.length,
    firstError: errors.length === 0 ? '' : String(errors[0]),
  };
}

/** Times the two sides of a business transaction. @param work begins when it is called, and has committed when it resolves with the message's id */
export async function timed(work: () => Promise<string>): Promise<Sent> {
  const begun = now();
  const id = await work();
  return { id, begun, committed: now() };
}

let counter = 0;

/** An id in the order of time, as short as a UUID; for peers that leave the id to the caller. */
export function nextId(): string {
  counter++;
  return `${Date.now().toString(16)}-${process.pid.toString(16)}-${counter.toString(16).padStart(8, '0')}`.padEnd(36, '0');
}
