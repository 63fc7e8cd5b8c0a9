import { onceAMinute } from '../../clock/far-due.ts';
import { createDuty } from '../../loop.ts';
import { farDueLook } from '../clock/pull-in-far-due.ts';
import type { Settings } from '../defaults.ts';
import { handleIsolated, type IsolatedParts } from '../isolated/handle-isolated.ts';
import type { PrefetchQueue } from '../receive/prefetch-queue.ts';
import { claimDueRows, findDueTopics } from '../store/claim-inbox.ts';
import { releaseRows } from '../store/mark-inbox.ts';

export type Sweeper = {
  start(): void;
  /** Looks for due rows now. */
  wake(): void;
  /** Repeats due reports now. */
  wakeReports(): void;
  stop(): Promise<void>;
};

export type SweeperParts = IsolatedParts & {
  queues: ReadonlyMap<string, PrefetchQueue>;
  /** Called when a queue was filled and more may be due. */
  onBacklog: (topic: string) => void;
};

/**
 * The inbox's three background duties, each a loop of its own: rows that are due (retries, what found no room in memory, what an ordered stop
 * gave back) go to their queue; rows whose process died are handled one after the other; reports that TPC has not acknowledged are
 * repeated.
 */
export function createSweeper(parts: SweeperParts): Sweeper {
  const { settings, queues, isOpen } = parts;
  const duty = (name: string, waitMs: number, pass: () => Promise<number | undefined>) =>
    createDuty(name, async () => (isOpen() ? ((await pass()) ?? waitMs) : waitMs), settings.log);
  const pullIn = onceAMinute(farDueLook(settings));
  const loops = {
    due: duty('inbox due', settings.sweepMs, async () => {
      await pullIn();
      await giveBackStale(settings, queues);
      await sweepDue(settings, queues, parts.onBacklog);
      return undefined;
    }),
    isolated: duty('inbox isolated', settings.sweepMs, async () => ((await handleIsolated(parts)) ? 0 : undefined)),
    reports: duty('inbox reports', Math.min(5_000, settings.reportRepeatMs), async () => {
      await parts.reporter.sweep();
      return undefined;
    }),
  };
  const all = Object.values(loops);
  return {
    start: () => {
      for (const loop of all) loop.start();
    },
    wake: () => loops.due.wake(),
    wakeReports: () => loops.reports.wake(),
    stop: async () => void (await Promise.all(all.map((loop) => loop.stop()))),
  };
}

/** Most rows in one claim, so that its transaction is short and its bodies fit into memory. */
const MAX_CLAIM = 64;
/** With less than this share of the lease left, a waiting message is given back. */
const STALE_SHARE = 0.2;

/**
 * Gives back what has waited in memory for most of its lease (the handlers have become slow): due at once, for anyone. Left to run
 * out, the lease would look like that of a dead process.
 */
async function giveBackStale({ knex, group, leaseMs, log }: Settings, queues: ReadonlyMap<string, PrefetchQueue>): Promise<void> {
  for (const queue of queues.values()) {
    const stale = queue.takeStale(performance.now() + leaseMs * STALE_SHARE);
    if (stale.length === 0) continue;
    log.info({ topic: queue.topic, num_messages: stale.length }, 'messages have waited too long in memory and are given back');
    await releaseRows(knex, group, stale);
  }
}

/** Fills the queues whose topics have rows due. A topic without room is not asked for; its rows wait in the inbox. */
async function sweepDue(settings: Settings, queues: ReadonlyMap<string, PrefetchQueue>, onBacklog: (topic: string) => void): Promise<void> {
  const all = [...queues.values()];
  for (const queue of all) if (!queue.hasRoom) onBacklog(queue.topic);
  const withRoom = all.filter((queue) => queue.hasRoom);
  const due = new Set(
    await findDueTopics(
      settings.knex,
      settings.group,
      withRoom.map(({ topic }) => topic),
    ),
  );
  await Promise.all(withRoom.filter(({ topic }) => due.has(topic)).map((queue) => fillQueue(settings, queue, onBacklog)));
}

/** Fills a queue with due rows. */
async function fillQueue(settings: Settings, queue: PrefetchQueue, onBacklog: (topic: string) => void): Promise<void> {
  for (let full = true; full; ) {
    const bytes = queue.typicalBytes;
    let reserved = 0;
    while (reserved < MAX_CLAIM && queue.reserve(bytes)) reserved++;
    if (reserved === 0) break;
    const claimed = await claimInto(settings, queue, { reserved, bytes });
    if (claimed < reserved) return;
    full = reserved === MAX_CLAIM;
  }
  onBacklog(queue.topic);
}

/** Claims rows for places that are reserved, each with so many bytes. @returns how many there were */
async function claimInto({ knex, group, leaseMs }: Settings, queue: PrefetchQueue, places: { reserved: number; bytes: number }): Promise<number> {
  let claimed = 0;
  try {
    const rows = await claimDueRows(knex, { group, topic: queue.topic, limit: places.reserved, leaseMs });
    claimed = rows.length;
    queue.push(rows, claimed * places.bytes);
  } finally {
    const unused = places.reserved - claimed;
    queue.cancel(unused, unused * places.bytes);
  }
  return claimed;
}
