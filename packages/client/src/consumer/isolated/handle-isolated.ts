import { keptTraceparent } from '@tpc/core';
import type { Settings } from '../defaults.ts';
import { messageFields } from '../domain/message-fields.ts';
import { Reason, ReportKind } from '../domain/states.ts';
import type { Execute } from '../receive/prefetch-queue.ts';
import type { Reporter } from '../report/reporter.ts';
import type { Activity } from './activity.ts';
import { claimIsolatedRow, findIsolatedRows, type IsolatedClaim, type IsolatedRow } from './claim-isolated.ts';

export type IsolatedParts = {
  settings: Settings;
  executors: ReadonlyMap<string, Execute>;
  activity: Activity;
  reporter: Reporter;
  /** False: nothing is begun. */
  isOpen: () => boolean;
};

/** Share of a lease for which a message that has ended a process in isolation waits for a quiet moment. */
const QUIET_SHARE = 1 / 4;

/**
 * Handles one message whose process died, in isolation: of those that may have been the cause only one is handled at a time in a process. When that process
 * dies as well, this one is to blame and not one of the others, and after a few such ends it is dead as POISON. Ordinary messages are handled beside
 * it; nothing stops for it, however long a handler takes. Only one that has ended a process in isolation before waits until nothing else is being handled,
 * so that it takes nothing down with it, and at most a quarter of the lease.
 * @returns whether there was one
 */
export async function handleIsolated(parts: IsolatedParts): Promise<boolean> {
  const { settings, executors, activity, isOpen } = parts;
  const found = await findIsolatedRows(settings.knex, settings.group, [...executors.keys()]);
  if (
    await claimAndHandle(
      parts,
      found.filter((row) => row.loneClaims === 0),
    )
  )
    return true;
  const suspects = found.filter((row) => row.loneClaims > 0);
  if (suspects.length === 0) return false;
  await activity.untilQuiet(settings.leaseMs * QUIET_SHARE);
  return isOpen() && claimAndHandle(parts, suspects);
}

async function claimAndHandle(parts: IsolatedParts, candidates: readonly IsolatedRow[]): Promise<boolean> {
  const { knex, group, leaseMs, poisonAfter, reportRepeatMs: reportAfterMs } = parts.settings;
  const claim = await claimIsolatedRow(knex, candidates, { group, leaseMs, poisonAfter, reportAfterMs });
  if (claim === undefined) return false;
  await handle(parts, claim);
  return true;
}

async function handle({ settings, executors, reporter }: IsolatedParts, claim: NonNullable<IsolatedClaim>): Promise<void> {
  const { messageKey, generation } = claim.row;
  const fields = { message_key: messageKey, generation, consumer_group: settings.group };
  if (claim.kind === 'poison') {
    settings.log.error(fields, 'processes keep ending while they handle this message in isolation: it is dead as POISON');
    reporter.report({ messageKey, generation, kind: ReportKind.FAILED, reason: Reason.POISON, detail: claim.detail });
  }
  if (claim.kind !== 'isolated') return;
  settings.log.warn(messageFields(claim.row, settings), 'a message lost its process; it is handled in isolation');
  // What happened to it is of interest, whatever was decided where its trace began.
  await executors.get(claim.row.topic)?.([{ ...claim.row, traceparent: keptTraceparent(claim.row.traceparent) }]);
}
