import { timerMs } from './time.ts';

/**
 * Natural batching: while one flush of a kind is under way, callers gather; the next flush takes all of them. No timers: alone,
 * a call goes at once; under load, batches grow by themselves to what one round trip costs. One class serves every write path: TPC's
 * saves, confirms, marks and publishing, the library's calls, the consumer's inbox.
 *
 * Only a write-behind that nobody waits for sets `lingerMs` or `maxAdaptiveLingerMs`.
 */

/** A caller's deadline ran out before its item was flushed; nothing was done for it. */
export class BatchDeadlineExceeded extends Error {
  constructor(batcher: string) {
    super(`${batcher}: the deadline ran out before the work began`);
    this.name = 'BatchDeadlineExceeded';
  }
}

/** More items wait than `maxQueued`; nothing was done for this one. */
export class BatcherFull extends Error {
  constructor(batcher: string, queued: number) {
    super(`${batcher}: ${queued} calls wait already`);
    this.name = 'BatcherFull';
  }
}

export type NaturalBatcherOptions<I, O> = {
  /** For errors and metrics. */
  name: string;
  /**
   * Does the work of a batch. Answers one result, or one error, for each item in order. A rejection is taken as an error of the whole
   * batch: see `bisect`.
   * @param until when the last of the callers stops waiting, on the clock of `performance.now()`: work that tries again should end then
   */
  flush: (items: readonly I[], until: number) => Promise<readonly (O | Error)[]>;
  /** Most items in a flush. Default 128. */
  maxCount?: number;
  /** Most bytes in a flush, counted by `sizeOf`; one larger item goes alone. Default 2 MiB. */
  maxBytes?: number;
  sizeOf?: (item: I) => number;
  /** Flushes at once. Default 1. */
  maxInFlight?: number;
  /** Waits this long after the first item, unless the batch is full before; for write-behinds only. Milliseconds, default 0. */
  lingerMs?: number;
  /**
   * After a flush during which many came (ADAPTIVE_LINGER_FROM), rests for as long as that flush took, at most this long, unless the batch is full before; for
   * write-behinds only. Under load, batches double by it, and so do those of all stages behind them; without load it never waits.
   * Milliseconds, default 0.
   */
  maxAdaptiveLingerMs?: number;
  /** Items that may wait; more are refused with BatcherFull. Default 100,000. */
  maxQueued?: number;
  /** Whether a rejected flush is tried again in halves, down to single items, so that one bad item fails alone. Default: always. */
  bisect?: (error: unknown) => boolean;
  /**
   * Whether a flush may end before it has done all items, as one that holds up the event loop should. Its results are those of the first items, of one at
   * least; the others go first in the next flush. Default false.
   */
  leavesRest?: boolean;
  /** Called after each flush with the batch's size and length of time in milliseconds; for metrics. */
  onFlush?: (count: number, elapsedMs: number) => void;
};

/** Fewer that came during a flush are no load: what one call less would save is not worth their wait. */
const ADAPTIVE_LINGER_FROM = 4;

type Waiting<I, O> = { item: I; size: number; deadline: number; resolve: (result: O) => void; reject: (error: unknown) => void };

export class NaturalBatcher<I, O> {
  readonly #options: Required<Omit<NaturalBatcherOptions<I, O>, 'onFlush'>> & Pick<NaturalBatcherOptions<I, O>, 'onFlush'>;
  #queue: Waiting<I, O>[] = [];
  #head = 0;
  #inFlight = 0;
  #scheduled = false;
  #gathering: NodeJS.Timeout | undefined;
  #idleWaiters: (() => void)[] = [];

  constructor(options: NaturalBatcherOptions<I, O>) {
    this.#options = {
      maxCount: 128,
      maxBytes: 2 * 1024 * 1024,
      sizeOf: () => 0,
      maxInFlight: 1,
      lingerMs: 0,
      maxAdaptiveLingerMs: 0,
      maxQueued: 100_000,
      bisect: () => true,
      leavesRest: false,
      ...options,
    };
  }

  /** Items that wait for a flush. */
  get queued(): number {
    return this.#queue.length - this.#head;
  }

  /**
   * Adds an item; resolves with its own result once its batch is done.
   * @param deadline on the clock of `performance.now()`, milliseconds; past it the item is dropped before its flush.
   */
  add(item: I, deadline = Number.POSITIVE_INFINITY): Promise<O> {
    if (this.queued >= this.#options.maxQueued) return Promise.reject(new BatcherFull(this.#options.name, this.queued));
    return new Promise<O>((resolve, reject) => {
      this.#queue.push({ item, size: this.#options.sizeOf(item), deadline, resolve, reject });
      this.#schedule();
    });
  }

  /** Resolves when nothing waits and nothing is under way. */
  async drain(): Promise<void> {
    while (this.queued > 0 || this.#inFlight > 0) await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
  }

  /** @param waitMs before the next flush begins, unless its batch is full */
  #schedule(waitMs = this.#options.lingerMs): void {
    const { maxInFlight, maxCount } = this.#options;
    if (this.#inFlight >= maxInFlight || this.queued === 0) return;
    const full = this.queued >= maxCount;
    if (this.#scheduled && !(full && this.#gathering)) return;
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
    this.#scheduled = true;
    const start = () => {
      this.#scheduled = false;
      this.#gathering = undefined;
      void this.#run();
    };
    // A full batch has nothing to wait for.
    if (waitMs > 0 && !full) this.#gathering = setTimeout(start, timerMs(waitMs));
    else setImmediate(start);
  }

  async #run(): Promise<void> {
    const { onFlush, lingerMs, maxAdaptiveLingerMs } = this.#options;
    const batch = this.#take();
    let adaptiveLingerMs = 0;
    if (batch.length > 0) {
      this.#inFlight++;
      this.#schedule();
      const started = performance.now();
      await this.#flush(batch);
      this.#inFlight--;
      const elapsedMs = performance.now() - started;
      onFlush?.(batch.length, elapsedMs);
      if (this.queued >= ADAPTIVE_LINGER_FROM) adaptiveLingerMs = Math.min(elapsedMs, maxAdaptiveLingerMs);
    }
    this.#schedule(Math.max(lingerMs, adaptiveLingerMs));
    if (this.queued === 0 && this.#inFlight === 0) for (const wake of this.#idleWaiters.splice(0)) wake();
  }

  #take(): Waiting<I, O>[] {
    const batch: Waiting<I, O>[] = [];
    const now = performance.now();
    let bytes = 0;
    while (this.#head < this.#queue.length && batch.length < this.#options.maxCount) {
      const next = this.#queue[this.#head] as Waiting<I, O>;
      if (next.deadline > now) {
        if (batch.length > 0 && bytes + next.size > this.#options.maxBytes) break;
        bytes += next.size;
        batch.push(next);
      } else this.#drop(next);
      this.#head++;
    }
    if (this.#head === this.#queue.length || this.#head > 1024) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    return batch;
  }

  #putBack(rest: readonly Waiting<I, O>[]): void {
    this.#queue = [...rest, ...this.#queue.slice(this.#head)];
    this.#head = 0;
  }

  #drop(late: Waiting<I, O>): void {
    late.reject(new BatchDeadlineExceeded(this.#options.name));
  }

  /** Tries a part of a batch that failed as a whole, without those whose callers no longer wait. */
  async #flushPart(part: readonly Waiting<I, O>[]): Promise<void> {
    const now = performance.now();
    const wanted = part.filter(({ deadline }) => deadline > now);
    for (const waiting of part) if (waiting.deadline <= now) this.#drop(waiting);
    if (wanted.length > 0) await this.#flush(wanted);
  }

  async #flush(batch: readonly Waiting<I, O>[]): Promise<void> {
    let results: readonly (O | Error)[];
    try {
      const until = batch.reduce((latest, { deadline }) => Math.max(latest, deadline), 0);
      results = await this.#options.flush(
        batch.map((waiting) => waiting.item),
        until,
      );
      const { leavesRest } = this.#options;
      const enough = results.length === batch.length || (leavesRest && results.length > 0 && results.length < batch.length);
      if (!enough) throw new Error(`${this.#options.name}: ${results.length} results for ${batch.length} items`);
    } catch (error) {
      if (batch.length > 1 && this.#options.bisect(error)) {
        const middle = batch.length >> 1;
        await this.#flushPart(batch.slice(0, middle));
        await this.#flushPart(batch.slice(middle));
      } else for (const waiting of batch) waiting.reject(error);
      return;
    }
    results.forEach((result, index) => {
      const waiting = batch[index] as Waiting<I, O>;
      if (result instanceof Error) waiting.reject(result);
      else waiting.resolve(result);
    });
    if (results.length < batch.length) this.#putBack(batch.slice(results.length));
  }
}
