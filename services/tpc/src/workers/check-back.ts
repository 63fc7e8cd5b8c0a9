import type { Log } from '@tpc/platform';
import type { Store } from '../store/store.ts';
import type { UncertainMessage } from '../store/store-types.ts';
import { createWorker, type PassCounts, type Worker } from './worker.ts';

/**
 * Gives prepared messages of unknown outcome to the producers that wait for them in a long poll. The claim *is* the question: handing a message
 * out moves its next check on, so no two instances are asked for it at once, and nobody is asked for messages of another store.
 *
 * One look at the database an owner (producer group and store) and interval serves all its waiting instances; an owner without a waiting instance costs
 * nothing. A look tells when the owner's next message is due, so a message that becomes due before the next interval is handed out then.
 */
export interface CheckBackWorker extends Worker<CheckBackCounts> {
  /**
   * Waits for messages to ask about.
   * @param signal ends the wait early with nothing
   * @returns at most `limit` messages; none when `waitMs` ran out, the signal came or the worker stopped
   * @throws the database's error when the first look fails
   */
  fetch(owner: Owner, limit: number, waitMs: number, signal: AbortSignal): Promise<UncertainMessage[]>;
}

export type Owner = { producerGroup: string; storeId: string };

type CheckBackCounts = PassCounts & { claimed: number };

export type CheckBackOptions = {
  store: Pick<Store, 'claimUncertain' | 'nextUncertainInMs'>;
  log: Log;
  config: {
    /** Pause between two looks on behalf of an owner, milliseconds. */
    pollMs: number;
  };
};

type Waiter = { limit: number; settle: (messages: UncertainMessage[]) => void };
/** `lookAt`: when to look for it next, on the clock of `performance.now()`. */
type Queue = { owner: Owner; waiters: Set<Waiter>; lookAt: number };

/** @throws RangeError when the poll interval is not positive */
export function createCheckBackWorker({ store, log, config }: CheckBackOptions): CheckBackWorker {
  const queues = new Map<string, Queue>();
  let alarm: NodeJS.Timeout | undefined;
  const look = async (due: (queue: Queue) => boolean): Promise<CheckBackCounts> => {
    clearTimeout(alarm);
    let claimed = 0;
    for (const queue of [...queues.values()].filter(due)) {
      const found = await serve(store, queue);
      claimed += found.claimed;
      queue.lookAt = performance.now() + Math.min(config.pollMs, found.nextInMs ?? config.pollMs);
    }
    const next = Math.min(...[...queues.values()].map(({ lookAt }) => lookAt));
    if (queues.size > 0) alarm = setTimeout(worker.wake, Math.max(0, next - performance.now()));
    return { claimed, more: false };
  };
  // A producer that comes wakes the loop: only its own owner is looked at then, however many others wait.
  const pass = () => look(({ lookAt }) => lookAt <= performance.now());
  const worker = createWorker({ name: 'check-back', pollMs: config.pollMs, pass, log });
  return {
    ...worker,
    runOnce: () => look(() => true),
    async fetch(owner, limit, waitMs, signal) {
      const messages = await store.claimUncertain(owner, limit);
      if (messages.length > 0 || waitMs <= 0 || signal.aborted) return messages;
      const waiting = wait(queues, owner, limit, waitMs, signal);
      worker.wake();
      return waiting;
    },
    async stop() {
      await worker.stop();
      clearTimeout(alarm);
      for (const queue of queues.values()) for (const waiter of queue.waiters) waiter.settle([]);
    },
  };
}

/** Claims for as many waiting instances as there are messages due. */
async function serve(store: CheckBackOptions['store'], { owner, waiters }: Queue): Promise<{ claimed: number; nextInMs: number | undefined }> {
  let claimed = 0;
  for (;;) {
    const nextInMs = waiters.size > 0 ? await store.nextUncertainInMs(owner) : undefined;
    const [waiter] = waiters;
    if (!waiter || nextInMs !== 0) return { claimed, nextInMs };
    const messages = await store.claimUncertain(owner, waiter.limit);
    // Rows that are due but locked by another replica: it has them.
    if (messages.length === 0) return { claimed, nextInMs: undefined };
    claimed += messages.length;
    // The instance may have gone meanwhile; another one that waits can answer as well.
    const [taker] = waiters.has(waiter) ? [waiter] : waiters;
    taker?.settle(messages);
  }
}

function wait(queues: Map<string, Queue>, owner: Owner, limit: number, waitMs: number, signal: AbortSignal): Promise<UncertainMessage[]> {
  const id = `${owner.producerGroup} ${owner.storeId}`;
  const queue = queues.get(id) ?? { owner, waiters: new Set<Waiter>(), lookAt: Number.NEGATIVE_INFINITY };
  queues.set(id, queue);
  return new Promise((resolve) => {
    const end = () => waiter.settle([]);
    const timer = setTimeout(end, waitMs);
    signal.addEventListener('abort', end, { once: true });
    const waiter: Waiter = {
      limit,
      settle: (messages) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        queue.waiters.delete(waiter);
        if (queue.waiters.size === 0) queues.delete(id);
        resolve(messages);
      },
    };
    queue.waiters.add(waiter);
  });
}
