/**
 * One commit for everything that arrived in the same turn of the event loop: a commit waits for the disk, and holds up the process while it
 * does. An item that cannot be stored fails alone: its group is then stored one by one.
 */

export type GroupCommit<I, O> = {
  /** Resolves after the COMMIT that holds the item; rejects when it is not stored. */
  add(item: I): Promise<O>;
  /** Resolves when nothing waits. */
  drain(): Promise<void>;
};

type Waiting<I, O> = { item: I; resolve: (result: O) => void; reject: (error: unknown) => void };

/** @param commit stores all items in one transaction, or throws and stores none; answers a result for each, in order. */
export function createGroupCommit<I, O>(commit: (items: readonly I[]) => readonly O[]): GroupCommit<I, O> {
  let waiting: Waiting<I, O>[] = [];
  const store = (group: readonly Waiting<I, O>[]): void => {
    let results: readonly O[];
    try {
      results = commit(group.map(({ item }) => item));
    } catch (error) {
      if (group.length === 1) group[0]?.reject(error);
      else for (const one of group) store([one]);
      return;
    }
    group.forEach(({ resolve }, index) => {
      resolve(results[index] as O);
    });
  };
  const flush = () => {
    const group = waiting;
    waiting = [];
    store(group);
  };
  return {
    add: (item) =>
      new Promise((resolve, reject) => {
        waiting.push({ item, resolve, reject });
        if (waiting.length === 1) setImmediate(flush);
      }),
    async drain() {
      while (waiting.length > 0) await new Promise((resolve) => setImmediate(resolve));
    },
  };
}
