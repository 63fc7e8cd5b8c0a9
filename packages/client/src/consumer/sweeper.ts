import { keptTraceparent } from '@tpc/core';
import { Loop } from '../loop.ts';
import type { Settings } from './defaults.ts';
import type { Gate } from './gate.ts';
import type { Execute, Lane } from './lane.ts';
import { messageFields } from './message-fields.ts';
import type { Reporter } from './reporter.ts';
import { Reason, ReportKind } from './states.ts';
import { claimDueRows, claimLoneRow, hasLoneRow, type LoneClaim } from './store/claim-inbox.ts';
import { releaseRows } from './store/mark-inbox.ts';

export type Sweeper = {
  start(): void;
  /** Looks for due rows now. */
  wake(): void;
  /** Repeats due reports now. */
  wakeReports(): void;
  stop(): Promise<void>;
};

export type SweeperParts = {
  settings: Settings;
  lanes: ReadonlyMap<string, Lane>;
  executors: ReadonlyMap<string, Execute>;
  gate: Gate;
  reporter: Reporter;
  /** Called when a lane was filled and more may be due. */
  onBacklog: (topic: string) => void;
  /** False: nothing is begun. */
  isOpen: () => boolean;
};

/**
 * The inbox's three background duties, each a loop of its own: rows that are due (retries, what found no room in memory, what an ordered stop
 * gave back) go to their lane; rows whose process died are handled alone, one after the other; reports that TPC has not acknowledged are
 * repeated.
 */
export function createSweeper(parts: SweeperParts): Sweeper {
  const { settings, lanes, isOpen } = parts;
  const duty = (name: string, waitMs: number, pass: () => Promise<number | undefined>) =>
    new Loop(name, async () => (isOpen() ? ((await pass()) ?? waitMs) : waitMs), settings.log);
  const loops = {
    due: duty('inbox due', settings.sweepMs, async () => {
      await giveBackStale(settings, lanes);
      await Promise.all([...lanes.values()].map((lane) => sweepLane(settings, lane, parts.onBacklog)));
      return undefined;
    }),
    lone: duty('inbox alone', settings.sweepMs, async () => ((await sweepLone(parts)) ? 0 : undefined)),
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

type LoneParts = Pick<SweeperParts, 'settings' | 'executors' | 'gate' | 'reporter' | 'isOpen'>;

/**
 * Handles one row alone. The claim counts toward POISON, so it is made when nothing else runs here, right before the row is handled.
 * @returns whether there was one
 */
async function sweepLone(parts: LoneParts): Promise<boolean> {
  const { settings, executors, gate, isOpen } = parts;
  const { knex, group, leaseMs, poisonAfter, reportRepeatMs: reportAfterMs } = settings;
  const topics = [...executors.keys()];
  if (!(await hasLoneRow(knex, group, topics))) return false;
  // Gives way before those that it holds up lose their leases; the next pass tries again.
  const handled = await gate.alone(leaseMs / 4, async () => {
    const found = isOpen() ? await claimLoneRow(knex, { group, topics, leaseMs, poisonAfter, reportAfterMs }) : undefined;
    if (found === undefined) return false;
    await handleLone(parts, found);
    return true;
  });
  return handled ?? false;
}

async function handleLone({ settings, executors, reporter }: LoneParts, found: NonNullable<LoneClaim>): Promise<void> {
  const { messageKey, generation } = found.row;
  const fields = { message_key: messageKey, generation, consumer_group: settings.group };
  if (found.kind === 'poison') {
    settings.log.error(fields, 'processes keep ending while they handle this message alone: it is dead as POISON');
    reporter.report({ messageKey, generation, kind: ReportKind.FAILED, reason: Reason.POISON, detail: found.detail });
  }
  if (found.kind !== 'alone') return;
  settings.log.warn(messageFields(found.row, settings), 'a message lost its process; it is handled alone');
  // What happened to it is of interest, whatever was decided where its trace began.
  await executors.get(found.row.topic)?.([{ ...found.row, traceparent: keptTraceparent(found.row.traceparent) }]);
}
