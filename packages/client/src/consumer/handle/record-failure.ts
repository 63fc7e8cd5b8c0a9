import type { Context } from '@opentelemetry/api';
import { decideHandlerOutcome, type HandlerOutcome } from '../domain/decide-outcome.ts';
import type { ClaimedRow } from '../domain/inbox-row.ts';
import { messageFields } from '../domain/message-fields.ts';
import { ReportKind } from '../domain/states.ts';
import { errorFields } from '../errors.ts';
import { markDead, markRetry } from '../store/mark-inbox.ts';
import type { HandlerParts } from './handler-parts.ts';
import { persist } from './persist.ts';

/**
 * Writes what follows from a handler's error into the row: its next try, or its end with the reason. Also right when the transaction's COMMIT
 * had an unknown outcome: if it did commit, the row is consumed and matches no more. A live process goes on until an outcome is
 * written, so that only dead ones leave a claim without one. Never rejects.
 */
export async function recordFailure(parts: HandlerParts, row: ClaimedRow, error: unknown, elapsedMs: number, trace?: Context): Promise<void> {
  const { settings, topic, telemetry } = parts;
  const outcome = decideHandlerOutcome(error, row.attempts + 1, settings.retry, Math.random());
  try {
    const written = await persist(() => write(parts, row, outcome), parts.goOn);
    const happened = written ? outcome.kind : 'fenced';
    telemetry.emit({ type: 'handled', topic, count: 1, elapsedMs, outcome: happened });
    log(parts, row, outcome, happened, error);
    if (happened === 'dead' && outcome.kind === 'dead') {
      const { messageKey, generation } = row;
      parts.reporter.report({ messageKey, generation, kind: ReportKind.FAILED, reason: outcome.reason, detail: outcome.detail, trace });
    }
  } catch (cause) {
    settings.log.error({ ...messageFields(row, settings), err: cause }, 'a failure could not be stored; the message comes again after its lease');
  }
}

async function write(parts: HandlerParts, row: ClaimedRow, outcome: HandlerOutcome): Promise<boolean> {
  const { knex, group, reportRepeatMs } = parts.settings;
  if (outcome.kind === 'fenced') return false;
  if (outcome.kind === 'retry') return markRetry(knex, group, row, outcome);
  return markDead(knex, group, row, { ...outcome, reportAfterMs: reportRepeatMs });
}

function log(parts: HandlerParts, row: ClaimedRow, outcome: HandlerOutcome, happened: HandlerOutcome['kind'], error: unknown): void {
  const fields = { ...messageFields(row, parts.settings), attempt: row.attempts + 1, ...errorFields(error) };
  const { log: to } = parts.settings;
  if (happened === 'fenced') to.warn(fields, 'a message was taken over or had ended; nothing of this try was kept');
  else if (outcome.kind === 'retry') to.warn({ ...fields, wait_ms: outcome.waitMs }, 'a handler failed; the message is tried again');
  else if (outcome.kind === 'dead') to.error({ ...fields, reason: outcome.reason }, 'a message has finally failed');
}
