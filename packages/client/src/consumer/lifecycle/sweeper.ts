import { onceAMinute } from '../../clock/far-due.ts';
import { createDuty } from '../../loop.ts';
import { farDueLook } from '../clock/pull-in-far-due.ts';
import type { Settings } from '../defaults.ts';
import { handleIsolated, type IsolatedParts } from '../isolated/handle-isolated.ts';
import type { Lane } from '../receive/lane.ts';
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
  lanes: ReadonlyMap<string, Lane>;
  /** Called when a lane was filled and more may be due. */
  onBacklog: (topic: string) => void;
};

/**
 * The inbox's three background duties, each a loop of its own: rows that are due (retries, what found no room in memory, what an ordered stop
 * gave back) go to their lane; rows whose process died are handled one after the other; reports that TPC has not acknowledged are
 * repeated.
 */
export function createSweeper(parts: SweeperParts): Sweeper {
  const { settings, lanes, isOpen } = parts;
  const duty = (name: string, waitMs: number, pass: () => Promise<number | undefined>) =>
    createDuty(name, async () => (isOpen() ? ((await pass()) ?? waitMs) : waitMs), settings.log);
  const pullIn = onceAMinute(farDueLook(settings));
  const loops = {
    due: duty('inbox due', settings.sweepMs, async () => {
      await pullIn();
      await giveBackStale(settings, lanes);
      await sweepDue(settings, lanes, parts.onBacklog);
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
async function giveBackStale({ knex, group, leaseMs, log }: Settings, lanes: ReadonlyMap<string, Lane>): Promise<void> {
  for (const lane of lanes.values()) {
    const stale = lane.takeStale(performance.now() + leaseMs * STALE_SHARE);
    if (stale.length === 0) continue;
    log.info({ topic: lane.topic, num_messages: stale.length }, 'messages have waited too long in memory and are given back');
    await releaseRows(knex, group, stale);
  }
}

/** Fills the lanes whose topics have rows due. A topic without room is not asked for; its rows wait in the inbox. */
async function sweepDue(settings: Settings, lanes: ReadonlyMap<string, Lane>, onBacklog: (topic: string) => void): Promise<void> {
  const all = [...lanes.values()];
  for (const lane of all) if (!lane.hasRoom) onBacklog(lane.topic);
  const withRoom = all.filter((lane) => lane.hasRoom);
  const due = new Set(
    await findDueTopics(
      settings.knex,
      settings.group,
      withRoom.map(({ topic }) => topic),
    ),
  );
  await Promise.all(withRoom.filter(({ topic }) => due.has(topic)).map((lane) => sweepLane(settings, lane, onBacklog)));
}

/** Fills a lane with due rows. */
async function sweepLane(settings: Settings, lane: Lane, onBacklog: (topic: string) => void): Promise<void> {
  for (let full = true; full; ) {
    const bytes = lane.typicalBytes;
    let reserved = 0;
    while (reserved < MAX_CLAIM && lane.reserve(bytes)) reserved++;
    if (reserved === 0) break;
    const claimed = await claimInto(settings, lane, { reserved, bytes });
    if (claimed < reserved) return;
    full = reserved === MAX_CLAIM;
  }
  onBacklog(lane.topic);
}

/** Claims rows for places that are reserved, each with so many bytes. @returns how many there were */
async function claimInto({ knex, group, leaseMs }: Settings, lane: Lane, places: { reserved: number; bytes: number }): Promise<number> {
  let claimed = 0;
  try {
    const rows = await claimDueRows(knex, { group, topic: lane.topic, limit: places.reserved, leaseMs });
    claimed = rows.length;
    lane.push(rows, claimed * places.bytes);
  } finally {
    const unused = places.reserved - claimed;
    lane.cancel(unused, unused * places.bytes);
  }
  return claimed;
}
