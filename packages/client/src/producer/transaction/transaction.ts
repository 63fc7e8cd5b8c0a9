import { context as contexts, SpanKind, trace } from '@opentelemetry/api';
import { inSpan, type MessageLimits, type MessageTracer, onlyKey, run, type Sql, statementsUnderSpan } from '@tpc/core';
import type { Knex } from 'knex';
import { KnexSession } from '../../knex-session/knex-session.ts';
import { NotCommitted } from '../../knex-session/transaction-connection.ts';
import type { Delivery, Prepared } from '../delivery/delivery.ts';
import type { TraceContext } from '../domain/trace-context.ts';
import { OutcomeUnknown } from '../errors.ts';
import type { ProducerEvent } from '../events.ts';
import type { OutboxContent } from '../outbox/content-codec.ts';
import { type Outbox, TransactionOutbox } from '../outbox/outbox.ts';
import { verifyBeforeCommit } from '../store/outbox-rows.ts';
import type { OpenKeys } from './open-keys.ts';
import { TransactionGuard } from './transaction-guard.ts';

/** The caller's business: its own statements through `tx`, its messages through `outbox`. */
export type Work<T> = (tx: Knex.Transaction, outbox: Outbox) => Promise<T>;

export type TransactionParts = {
  knex: Knex;
  group: string;
  /** As TPC told them last. */
  limits: () => MessageLimits;
  delivery: Delivery;
  openKeys: OpenKeys;
  prepareBudgetMs: number;
  firstWaitMs: number;
  traceContext: () => TraceContext | undefined;
  onEvent: (event: ProducerEvent) => void;
  tracing: MessageTracer | undefined;
};

const COMMIT = { 'db.operation.name': 'COMMIT', 'db.query.summary': 'COMMIT' };

const ROWS_MISSING = 'outbox rows of the transaction are no longer there';

type Added = { content: OutboxContent; prepared: Promise<Prepared> | undefined };

/**
 * One business transaction, in the order that makes the promise:
 *
 * 1. `outbox.add` inserts the outbox row, whose lock says "open"; only then does prepare leave, beside the rest of the business. So whenever TPC
 *    knows a key, its row is locked, committed or rolled back, never "not there yet".
 * 2. The work is done: prepares are awaited, each at most for its budget. A refusal rolls back; no answer lets the commit go on without.
 * 3. The last statement looks whether the outbox rows are all there. Then COMMIT, in the same statement where the server can.
 * 4. Committed: confirm goes, unwaited. Rolled back: delete goes, unwaited. COMMIT failed: neither, since nobody knows.
 */
export class BusinessTransaction {
  readonly #parts: TransactionParts;
  readonly #session: KnexSession;
  readonly #guard: TransactionGuard;
  readonly #outbox: TransactionOutbox;
  readonly #added: Added[] = [];
  readonly #openedKeys: string[] = [];

  static async run<T>(parts: TransactionParts, work: Work<T>, isolationLevel?: Knex.IsolationLevels): Promise<T> {
    const span = parts.tracing?.begin('transaction', SpanKind.INTERNAL, contexts.active());
    return inSpan(span, async () =>
      new BusinessTransaction(parts, await KnexSession.open(parts.knex, { isolationLevel, conditional: true })).#run(work),
    );
  }

  private constructor(parts: TransactionParts, session: KnexSession) {
    this.#parts = parts;
    this.#session = session;
    this.#guard = new TransactionGuard(session);
    this.#outbox = new TransactionOutbox({
      tx: session.tx,
      guard: this.#guard,
      group: parts.group,
      limits: parts.limits,
      firstWaitMs: parts.firstWaitMs,
      traceContext: parts.traceContext,
      tracing: parts.tracing,
      onOpening: (key) => {
        parts.openKeys.add(key);
        this.#openedKeys.push(key);
      },
      onAdded: (content) => this.#added.push({ content, prepared: this.#prepare(content) }),
    });
  }

  async #run<T>(work: Work<T>): Promise<T> {
    try {
      const result = await this.#workToCommit(work);
      await this.#commit();
      return result;
    } finally {
      for (const key of this.#openedKeys) this.#parts.openKeys.remove(key);
    }
  }

  #prepare(content: OutboxContent): Promise<Prepared> | undefined {
    return content.sendType === 'WAIT_CONFIRM' ? this.#parts.delivery.prepare(content, this.#parts.prepareBudgetMs) : undefined;
  }

  /** Steps 1 to 3. Rolls back and rethrows when any of them fails. */
  async #workToCommit<T>(work: Work<T>): Promise<T> {
    try {
      const result = await work(this.#guard.tx, this.#outbox);
      await this.#outbox.close();
      this.#throwIfDoomed();
      await this.#awaitPrepares();
      if (!this.#session.commitsOnCondition) {
        this.#guard.beginLastLook();
        await this.#lookForRows();
      }
      this.#throwIfDoomed();
      return result;
    } catch (error) {
      await this.#rollback();
      throw error;
    }
  }

  async #awaitPrepares(): Promise<void> {
    for (const { prepared } of this.#added) {
      const answer = await prepared;
      if (answer?.outcome === 'refused') throw answer.error;
    }
  }

  /** ROLLBACK TO, or an end of the transaction that nobody saw, would have taken outbox rows away and left business rows. */
  async #lookForRows(): Promise<void> {
    if (this.#added.length === 0) return;
    const { sql, params } = verifyBeforeCommit(this.#keys);
    const { rows } = await run<{ complete: number | string }>(this.#session.tx, sql, params);
    if (Number(rows[0]?.complete) !== 1) throw this.#guard.doomBy(ROWS_MISSING);
  }

  get #keys(): string[] {
    return this.#added.map(({ content }) => content.key);
  }

  #throwIfDoomed(): void {
    if (this.#guard.doom !== undefined) throw this.#guard.doom;
  }

  async #commit(): Promise<void> {
    const { delivery, onEvent, tracing } = this.#parts;
    const messages = this.#added.length;
    const condition = this.#session.commitsOnCondition && messages > 0 ? verifyBeforeCommit(this.#keys) : undefined;
    this.#guard.allowEnd();
    try {
      await (tracing ? this.#commitUnderSpan(tracing, condition) : this.#session.commit(condition));
    } catch (cause) {
      if (cause instanceof NotCommitted) {
        this.#noteRollback();
        throw this.#guard.doomBy(ROWS_MISSING);
      }
      onEvent({ type: 'transaction', outcome: 'outcome_unknown', messages });
      throw new OutcomeUnknown(cause);
    }
    onEvent({ type: 'transaction', outcome: 'committed', messages });
    for (const { content, prepared } of this.#added) delivery.committed(content, prepared);
  }

  /** Of a transaction with one message, both spans are found by its key. */
  #commitUnderSpan(tracing: MessageTracer, condition: Sql | undefined): Promise<void> {
    const key = onlyKey(this.#keys);
    const active = contexts.active();
    trace.getSpan(active)?.setAttributes(key);
    return statementsUnderSpan(tracing, { attributes: { ...COMMIT, ...key }, of: [active] }, () => this.#session.commit(condition));
  }

  async #rollback(): Promise<void> {
    await this.#outbox.close();
    this.#guard.allowEnd();
    await this.#session.rollback();
    this.#noteRollback();
  }

  #noteRollback(): void {
    const { delivery, onEvent } = this.#parts;
    onEvent({ type: 'transaction', outcome: 'rolled_back', messages: this.#added.length });
    for (const { content, prepared } of this.#added) delivery.rolledBack(content, prepared);
  }
}
