import { classifySqlError, errorTypeOf } from '@tpc/core';
import type { Knex } from 'knex';
import { KnexSession } from '../../knex-session/knex-session.ts';
import { callTeam } from '../careless/team-code.ts';
import { type ClaimedRow, messageOfRow } from '../domain/inbox-row.ts';
import { messageFields } from '../domain/message-fields.ts';
import { ReportKind } from '../domain/states.ts';
import type { Execute } from '../receive/prefetch-queue.ts';
import { markStands, openByMark } from '../store/mark-inbox.ts';
import type { BatchHandler, ConsumedMessage, TransactionalHandler } from '../types.ts';
import type { HandlerParts } from './handler-parts.ts';
import { ProcessSpans } from './process-spans.ts';
import { recordFailure } from './record-failure.ts';
import { withTimeLimit } from './time-limit.ts';
import { guardTransaction } from './transaction-guard.ts';

/** A deadlock costs nothing but the work: run it again at once, this often, before it counts as a try. */
const DEADLOCK_RETRIES = 3;

/**
 * Handlers whose work is rows in the inbox's own database. Load is done (the row is in memory); the fenced mark is the first statement, the
 * handler's rows follow, and both commit or neither does.
 */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a factory around shared state; each function in it is short
export function createTransactionExecutor(parts: HandlerParts, handler: TransactionalHandler | BatchHandler): Execute {
  const { settings } = parts;
  const call = (tx: Knex.Transaction, messages: readonly ConsumedMessage[]) =>
    'handleBatch' in handler ? handler.handleBatch(tx, messages) : handler.handle(tx, messages[0] as ConsumedMessage);

  const startSpans = (rows: readonly ClaimedRow[]) => settings.tracing && new ProcessSpans(settings.tracing, settings.group, rows);

  async function transaction(rows: readonly ClaimedRow[]): Promise<void> {
    const { knex, group, reportRepeatMs, handlerTimeoutMs } = settings;
    const opening = openByMark(knex, group, rows, reportRepeatMs);
    const session = await KnexSession.open(knex, { isolationLevel: 'read committed', opening });
    const guard = guardTransaction(session, () => markStands(session.tx, group, rows));
    try {
      // One that never ends must not keep its transaction, nor its place; what it asks of the ended transaction later is refused.
      await session.work(() =>
        withTimeLimit(
          'the handler',
          handlerTimeoutMs,
          callTeam(() => call(guard.tx, rows.map(messageOfRow))),
        ),
      );
      await guard.check();
    } catch (error) {
      guard.allowEnd();
      await session.rollback();
      throw error;
    }
    await session.commit();
  }

  async function attempt(rows: readonly ClaimedRow[], spans: ProcessSpans | undefined): Promise<void> {
    const started = performance.now();
    await (spans ? spans.run(() => transaction(rows)) : transaction(rows));
    const elapsedMs = performance.now() - started;
    for (const [index, row] of rows.entries()) {
      const { messageKey, generation } = row;
      const trace = spans?.contextOf(index);
      parts.reporter.report({ messageKey, generation, kind: ReportKind.CONSUMED, reason: '', detail: '', trace });
      settings.log.debug({ ...messageFields(row, settings), outcome: 'consumed', elapsed_ms: Math.round(elapsedMs) }, 'a message was handled');
    }
    spans?.end();
    parts.telemetry.emit({ type: 'handled', topic: parts.topic, count: rows.length, elapsedMs, outcome: 'consumed' });
  }

  async function handleOne(row: ClaimedRow): Promise<void> {
    for (let deadlocks = 0; ; deadlocks++) {
      const started = performance.now();
      const spans = startSpans([row]);
      try {
        return await attempt([row], spans);
      } catch (error) {
        spans?.end(errorTypeOf(error));
        if (classifySqlError(error) === 'deadlock' && deadlocks < DEADLOCK_RETRIES) continue;
        return await recordFailure(parts, row, error, performance.now() - started, spans?.contextOf(0));
      }
    }
  }

  return async (rows) => {
    if (rows.length > 1) {
      const spans = startSpans(rows);
      try {
        return await attempt(rows, spans);
      } catch (error) {
        spans?.end(errorTypeOf(error));
        // One bad message, or one that was taken over, must not cost its neighbours a try.
        settings.log.debug({ err: error, topic: parts.topic, num_messages: rows.length }, 'a batch failed; its messages are handled singly');
      }
    }
    for (const row of rows) await handleOne(row);
  };
}
