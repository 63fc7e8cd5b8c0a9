import type { ClaimedRow } from '../domain/inbox-row.ts';
import type { Activity } from '../isolated/activity.ts';

/** Handles rows to an outcome that is in the database; never rejects. */
export type Execute = (rows: readonly ClaimedRow[]) => Promise<void>;

export type PrefetchQueueOptions = {
  topic: string;
  execute: Execute;
  /** Calls of `execute` at once. */
  concurrency: number;
  /** Most rows in one call. */
  maxBatch: number;
  leaseMs: number;
  maxInMemory: number;
  maxInMemoryBytes: number;
  /** Whether all queues together may hold one more. */
  canHold: () => boolean;
  activity: Activity;
  /** Called when rows have left memory. */
  onRoom: (queue: PrefetchQueue) => void;
};

/** Assumed before the first measurement: a handler of middling speed, so that a slow one is not given a flood at the start. */
const FIRST_GUESS_MS = 50;
/** Weight of the newest measurement. */
const SMOOTHING = 0.2;

/**
 * How many rows a queue may hold: at most half a lease of work, so that what waits in memory is begun while it is still ours.
 * @param messageMs time that one message keeps a worker busy
 */
export function prefetchCapacity(options: { concurrency: number; leaseMs: number; maxInMemory: number }, messageMs: number): number {
  const halfALease = Math.floor((options.concurrency * options.leaseMs) / 2 / Math.max(messageMs, 0.01));
  return Math.max(1, Math.min(options.maxInMemory, Math.max(options.concurrency, halfALease)));
}

/** The rows of one topic in memory: those that wait and those being handled. */
export class PrefetchQueue {
  readonly #options: PrefetchQueueOptions;
  readonly #queue: ClaimedRow[] = [];
  #reserved = 0;
  #handling = 0;
  #bytes = 0;
  #typicalBytes: number | undefined;
  #workers = 0;
  #messageMs = FIRST_GUESS_MS;
  #open = false;
  #idleWaiters: (() => void)[] = [];

  constructor(options: PrefetchQueueOptions) {
    this.#options = options;
  }

  get topic(): string {
    return this.#options.topic;
  }

  /** Rows that wait, are handled, or are being stored for this queue. */
  get held(): number {
    return this.#queue.length + this.#handling + this.#reserved;
  }

  /** Rows that wait for a worker. */
  get waiting(): number {
    return this.#queue.length;
  }

  get handling(): number {
    return this.#handling;
  }

  get capacity(): number {
    return prefetchCapacity(this.#options, this.#messageMs);
  }

  /** What a body has been like lately, for places of rows that are not read yet; before the first, all that may be held, so that one row is read. */
  get typicalBytes(): number {
    return this.#typicalBytes ?? this.#options.maxInMemoryBytes;
  }

  get hasRoom(): boolean {
    return this.held < this.capacity && this.#bytes < this.#options.maxInMemoryBytes && this.#options.canHold();
  }

  /**
   * Takes a place for a row that is about to be claimed.
   * @param bytes its body's, as far as known
   * @returns false when there is none; every true is followed by `push` or `cancel` with the same bytes
   */
  reserve(bytes = 0): boolean {
    if (!this.hasRoom) return false;
    this.#reserved++;
    this.#bytes += bytes;
    return true;
  }

  cancel(count: number, bytes = 0): void {
    this.#reserved -= count;
    this.#bytes -= bytes;
    if (count > 0) this.#options.onRoom(this);
  }

  /**
   * Gives claimed rows to their reserved places. They are begun after the promises that are settled already have had their turn: rows that were stored
   * together come here one by one, and a handler that takes a batch gets them as one.
   */
  push(rows: readonly ClaimedRow[], reservedBytes = 0): void {
    this.#reserved -= rows.length;
    this.#queue.push(...rows);
    const bytes = bytesOf(rows);
    this.#bytes += bytes - reservedBytes;
    if (rows.length > 0) this.#learn(bytes / rows.length);
    queueMicrotask(() => this.#pump());
  }

  #learn(bytes: number): void {
    const before = this.#typicalBytes ?? bytes;
    this.#typicalBytes = before + SMOOTHING * (bytes - before);
  }

  /** Begins, or goes on, to handle. */
  open(): void {
    this.#open = true;
    this.#pump();
  }

  /** Begins nothing more. */
  close(): void {
    this.#open = false;
  }

  /** Resolves when nothing is being handled. */
  async idle(): Promise<void> {
    while (this.#workers > 0) await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Takes what was not begun out of memory, to be given back. */
  takeWaiting(): ClaimedRow[] {
    return this.#leave(this.#queue.splice(0));
  }

  /** Takes out what waits and whose lease ends before `time`, on the clock of `performance.now()`. */
  takeStale(time: number): ClaimedRow[] {
    const stale = this.#queue.filter((row) => row.leaseUntil < time);
    if (stale.length > 0) this.#queue.splice(0, this.#queue.length, ...this.#queue.filter((row) => row.leaseUntil >= time));
    return this.#leave(stale);
  }

  #leave(rows: ClaimedRow[]): ClaimedRow[] {
    this.#bytes -= bytesOf(rows);
    return rows;
  }

  #pump(): void {
    while (this.#open && this.#workers < this.#options.concurrency && this.#queue.length > 0) void this.#work();
  }

  async #work(): Promise<void> {
    this.#workers++;
    const rows = this.#queue.splice(0, this.#options.maxBatch);
    this.#handling += rows.length;
    const started = performance.now();
    await this.#options.activity.during(() => this.#options.execute(rows));
    this.#handling -= rows.length;
    this.#leave(rows);
    this.#messageMs += SMOOTHING * ((performance.now() - started) / rows.length - this.#messageMs);
    this.#workers--;
    this.#options.onRoom(this);
    this.#pump();
    if (this.#workers === 0) for (const wake of this.#idleWaiters.splice(0)) wake();
  }
}

function bytesOf(rows: readonly ClaimedRow[]): number {
  return rows.reduce((sum, row) => sum + (row.body?.byteLength ?? 0), 0);
}
