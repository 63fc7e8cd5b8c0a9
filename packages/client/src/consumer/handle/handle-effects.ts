import { randomUUID } from 'node:crypto';
import { databaseAttributes, errorTypeOf, inTransaction, MESSAGE_KEY, type MessageSpan, statementsUnderSpan } from '@tpc/core';
import { callTeam, plansOf } from '../careless/team-code.ts';
import { decideEffectOutcome, decideEffectStep, type EffectOutcome, type SettledMessage } from '../domain/decide-outcome.ts';
import { type ClaimedRow, messageOfRow } from '../domain/inbox-row.ts';
import { type MessageFields, messageFields } from '../domain/message-fields.ts';
import { EffectState, Reason, ReportKind } from '../domain/states.ts';
import { errorFields, FencedError } from '../errors.ts';
import type { Execute } from '../receive/prefetch-queue.ts';
import { claimEffect, type EffectRow, type EffectSettlement, insertEffects, readEffects, retryEffect } from '../store/effects.ts';
import { markPlanned, openByMark, releaseRows, renewLease } from '../store/mark-inbox.ts';
import { settleEffectAndMessage } from '../store/settle-message.ts';
import type { ConsumedMessage, EffectHandler, EffectPlan } from '../types.ts';
import { giveBackUntilDue } from './give-back-until-due.ts';
import type { HandlerParts } from './handler-parts.ts';
import { persist } from './persist.ts';
import { recordFailure } from './record-failure.ts';
import { processSpan } from './row-span.ts';
import { runWithinTime } from './run-effect.ts';
import { Semaphore } from './semaphore.ts';
import { withTimeLimit } from './time-limit.ts';

/**
 * Handlers that act outside the database. The story of one message:
 *
 * 1. *Plan*: one transaction, fenced by the inbox row's token, makes a row for each effect. The inbox row stays received.
 * 2. Each open effect: *claim* (attempt counted, lease, token; commits; the plan has claimed the first) → *act*, within a time below what is left of the lease →
 *    *settle* (done, dead or held), or give back until its next try.
 * 3. Whoever settles the last one ends the message in the same transaction. Else the round ends, and the inbox row is due again when the first
 *    open effect may be tried; after many effects at once, where other messages wait for the worker.
 *
 * A crash before 1 repeats the plan; between claim and act, or act and settle, leaves a claimed effect: its outcome is *uncertain*, and
 * `onUncertain` decides. Settled effects are never run again, whoever takes the message over.
 */
export function createEffectExecutor(parts: HandlerParts, handler: EffectHandler, leaseMs: number): Execute {
  const slots = new Semaphore(handler.concurrency);
  return async (rows) => {
    for (const row of rows) await new EffectRound(parts, handler, slots, leaseMs, { ...row }).run();
  };
}

/** After so many effects of one message its turn is over, where others wait. */
const TURN = 64;

/** A claim of an effect; `from`: when it was asked for, on the clock of `performance.now()`. */
type Claim = { token: string; from: number };

class EffectRound {
  readonly #parts: HandlerParts;
  readonly #handler: EffectHandler;
  readonly #slots: Semaphore;
  readonly #leaseMs: number;
  readonly #row: ClaimedRow;
  readonly #started = performance.now();
  readonly #span: MessageSpan | undefined;
  /** Why the round failed, as a code. */
  #failure: string | undefined;
  /** Effects that this round has begun after its first. */
  #begun = 0;
  #gaveWay = false;
  /** Effects of the message in all. */
  #siblings = 0;
  #end: SettledMessage | undefined;

  constructor(parts: HandlerParts, handler: EffectHandler, slots: Semaphore, leaseMs: number, row: ClaimedRow) {
    this.#parts = parts;
    this.#handler = handler;
    this.#slots = slots;
    this.#leaseMs = leaseMs;
    this.#row = row;
    const { tracing, group } = parts.settings;
    this.#span = tracing && processSpan(tracing, group, row);
  }

  get #message(): ConsumedMessage {
    return messageOfRow(this.#row);
  }

  run(): Promise<void> {
    return this.#span ? this.#span.run(() => this.#run()) : this.#run();
  }

  async #run(): Promise<void> {
    let steps: Promise<void>[];
    try {
      steps = this.#row.openEffects === 0 ? await this.#begin() : await this.#resume();
    } catch (error) {
      this.#span?.end(errorTypeOf(error));
      return recordFailure(this.#parts, this.#row, error, performance.now() - this.#started, this.#span?.context);
    }
    const failed = (await Promise.allSettled(steps)).find((step) => step.status === 'rejected');
    this.#span?.end(failed ? errorTypeOf(failed.reason) : this.#failure);
    await this.#finish(failed?.reason).catch((error: unknown) => {
      this.#parts.settings.log.error({ ...this.#fields(), err: error }, 'a message comes again after its lease');
    });
  }

  /** Plans, and runs the first effect under the claim that the plan has made; its slot is taken before, so that the lease is not spent waiting. */
  async #begin(): Promise<Promise<void>[]> {
    const release = await this.#slots.acquire(this);
    const claim = { token: randomUUID(), from: 0 };
    let plans: EffectPlan[];
    try {
      const { handlerTimeoutMs } = this.#parts.settings;
      const planned = callTeam(async () => plansOf(await this.#handler.effects(this.#message)));
      plans = await withTimeLimit('the planning of effects', handlerTimeoutMs, planned);
      claim.from = performance.now();
      await this.#plan(plans, claim.token);
    } catch (error) {
      release();
      throw error;
    }
    this.#siblings = plans.length;
    const [first, ...rest] = plans.map((plan) => ({ ...FRESH, effectKey: plan.key, payload: plan.payload }));
    const begun = first === undefined ? Promise.resolve() : this.#act(first, claim);
    return [begun.finally(release), ...rest.map((effect) => this.#slots.run(this, () => this.#step(effect)))];
  }

  /** Makes the effect rows. A message without effects is consumed by that. */
  async #plan(plans: readonly EffectPlan[], token: string): Promise<void> {
    const { knex, group, reportRepeatMs } = this.#parts.settings;
    if (plans.length === 0) {
      const nothing = async () => undefined;
      await this.#statements(() => inTransaction(knex, nothing, openByMark(knex, group, [this.#row], reportRepeatMs)));
      this.#end = { kind: 'consumed' };
      return;
    }
    await this.#statements(() =>
      inTransaction(knex, async (tx) => {
        const planned = await markPlanned(tx, group, this.#row, { openEffects: plans.length, leaseMs: this.#leaseMs });
        if (!planned) throw new FencedError();
        await insertEffects(tx, group, this.#row, plans, { token, leaseMs: this.#handler.leaseMs });
      }),
    );
  }

  /** Goes on with what an earlier round, or a process that died, has left. */
  async #resume(): Promise<Promise<void>[]> {
    const { effects, now } = await readEffects(this.#parts.settings.knex, this.#parts.settings.group, this.#row);
    this.#siblings = effects.length;
    return effects
      .map((effect) => ({ effect, step: decideEffectStep(effect, now, this.#handler.onUncertain) }))
      .filter(({ step }) => step === 'run' || step === 'hold')
      .map(({ effect, step }) => this.#slots.run(this, () => (step === 'hold' ? this.#hold(effect) : this.#step(effect))));
  }

  #hold(effect: EffectRow): Promise<void> {
    const detail = 'a process ended between the act and its record; an operator has to find out whether it was done';
    return this.#settle(effect, { state: EffectState.HELD, reason: Reason.EFFECT_UNCERTAIN, detail });
  }

  async #step(effect: EffectRow): Promise<void> {
    if (this.#parts.stopping() || this.#givesWay() || !(await this.#keepLease())) return;
    this.#begun++;
    const { settings } = this.#parts;
    const claim = { token: randomUUID(), from: performance.now() };
    const claimed = await claimEffect(settings.knex, settings.group, this.#row, effect, { token: claim.token, leaseMs: this.#handler.leaseMs });
    if (claimed) await this.#act(effect, claim);
  }

  /** A message with many effects must not keep its worker from others until all are done: the rest is due again at once, behind those that wait. */
  #givesWay(): boolean {
    this.#gaveWay ||= this.#begun >= TURN && this.#parts.othersWait();
    return this.#gaveWay;
  }

  /** The inbox row must be ours for longer than the effect's lease. */
  async #keepLease(): Promise<boolean> {
    if (this.#row.leaseUntil - performance.now() > this.#handler.leaseMs) return true;
    const from = performance.now();
    const kept = await renewLease(this.#parts.settings.knex, this.#parts.settings.group, this.#row, this.#leaseMs);
    if (kept) this.#row.leaseUntil = from + this.#leaseMs;
    return kept;
  }

  /** Runs a claimed effect and records what became of it. */
  async #act(effect: EffectRow, claim: Claim): Promise<void> {
    const { timeoutMs, leaseMs } = this.#handler;
    // This process stood still: the act would end after the lease, beside another's.
    if (performance.now() - claim.from > leaseMs - timeoutMs)
      return this.#tryAgain(effect, claim.token, { waitMs: 0, error: 'its lease ran out before it was begun' });
    const plan: EffectPlan = { key: effect.effectKey, payload: effect.payload };
    const started = performance.now();
    let settlement: EffectSettlement | undefined;
    try {
      const result = await runWithinTime(this.#handler, {
        plan,
        message: this.#message,
        attempt: effect.attempts + 1,
        deferrals: effect.deferrals,
        onLate: (late) => this.#settleLate(effect, late),
      });
      settlement = { state: EffectState.DONE, result };
      this.#emit('done', started);
    } catch (error) {
      settlement = await this.#judge(error, effect, claim.token, started);
    }
    if (settlement !== undefined) await this.#settle(effect, settlement);
  }

  /** @returns how the failed effect is settled; undefined when it is tried again */
  async #judge(error: unknown, effect: EffectRow, token: string, started: number): Promise<EffectSettlement | undefined> {
    const { settings } = this.#parts;
    const options = { retry: settings.retry, onUncertain: this.#handler.onUncertain, random: Math.random() };
    const outcome = decideEffectOutcome(error, effect.attempts + 1, options);
    this.#emit(outcome.kind, started);
    this.#failure = errorTypeOf(error);
    const fields = { ...this.#fields(), effect_key: effect.effectKey, attempt: effect.attempts + 1, ...errorFields(error) };
    if (outcome.kind === 'retry') {
      this.#logRetry(fields, outcome);
      await this.#tryAgain(effect, token, outcome);
      return undefined;
    }
    settings.log.error(fields, outcome.kind === 'dead' ? 'an effect has finally failed' : 'an effect is held: nobody knows whether it was done');
    return outcome.kind === 'dead'
      ? { state: EffectState.DEAD, reason: outcome.reason, detail: outcome.detail }
      : { state: EffectState.HELD, reason: Reason.EFFECT_UNCERTAIN, detail: outcome.detail };
  }

  /** A handler that defers has said why; where this does not count, it waits for something that has its own line. */
  #logRetry(fields: object, { waitMs, deferral }: Extract<EffectOutcome, { kind: 'retry' }>): void {
    const { log } = this.#parts.settings;
    if (deferral === undefined) log.warn({ ...fields, wait_ms: waitMs }, 'an effect failed; it is tried again');
    else log[deferral.counts ? 'warn' : 'debug']({ ...fields, wait_ms: waitMs }, 'an effect is deferred; it is tried again');
  }

  async #tryAgain(effect: EffectRow, token: string, outcome: Omit<Extract<EffectOutcome, { kind: 'retry' }>, 'kind'>): Promise<void> {
    const { settings, goOn } = this.#parts;
    await persist(() => retryEffect(settings.knex, settings.group, this.#row, { effectKey: effect.effectKey, token }, outcome), goOn);
  }

  /** What was done is a fact: it is written again and again until it stands, as long as the process lives. */
  async #settle(effect: EffectRow, settlement: EffectSettlement): Promise<void> {
    const { settings, goOn } = this.#parts;
    const settle = () =>
      inTransaction(settings.knex, (tx) =>
        settleEffectAndMessage(
          tx,
          settings.group,
          this.#row,
          { effectKey: effect.effectKey, settlement, siblings: this.#siblings },
          settings.reportRepeatMs,
        ),
      );
    this.#end = (await this.#statements(() => persist(settle, goOn))) ?? this.#end;
  }

  #settleLate(effect: EffectRow, result: string): void {
    this.#settle(effect, { state: EffectState.DONE, result }).catch((error: unknown) => {
      this.#parts.settings.log.warn({ ...this.#fields(), err: error }, 'a late success could not be stored');
    });
  }

  /** Reports the message's end, or gives it back until the first open effect is due. */
  async #finish(fault: unknown): Promise<void> {
    const { settings, reporter, telemetry, topic, goOn } = this.#parts;
    if (fault !== undefined) settings.log.warn({ ...this.#fields(), err: fault }, 'effects could not be recorded');
    const { messageKey, generation } = this.#row;
    const elapsedMs = performance.now() - this.#started;
    if (this.#end !== undefined) {
      const failure = this.#end.kind === 'dead' ? this.#end : { reason: '', detail: '' };
      const kind = this.#end.kind === 'dead' ? ReportKind.FAILED : ReportKind.CONSUMED;
      reporter.report({ messageKey, generation, kind, reason: failure.reason, detail: failure.detail, trace: this.#span?.context });
      telemetry.emit({ type: 'handled', topic, count: 1, elapsedMs, outcome: this.#end.kind });
      settings.log.debug({ ...this.#fields(), outcome: this.#end.kind, elapsed_ms: Math.round(elapsedMs) }, 'a message was handled');
      return;
    }
    if (this.#gaveWay && fault === undefined) {
      await persist(() => releaseRows(settings.knex, settings.group, [this.#row]), goOn);
      return;
    }
    const atLeastMs = fault === undefined ? 0 : settings.retry.firstWaitMs;
    const given = await persist(() => giveBackUntilDue(settings.knex, settings.group, this.#row, atLeastMs), goOn);
    if (!given) settings.log.warn(this.#fields(), 'a message was taken over or had ended; it is left to whoever has it');
    telemetry.emit({ type: 'handled', topic, count: 1, elapsedMs, outcome: given ? 'retry' : 'fenced' });
  }

  /** Work on inbox and effects in the database, under one span. */
  #statements<T>(work: () => Promise<T>): Promise<T> {
    const { tracing, knex } = this.#parts.settings;
    if (tracing === undefined) return work();
    const attributes = { ...databaseAttributes(knex, 'BATCH', 'tpc_inbox_effect'), [MESSAGE_KEY]: this.#row.messageKey };
    return statementsUnderSpan(tracing, { attributes, of: [this.#span?.context] }, work);
  }

  #fields(): MessageFields {
    return messageFields(this.#row, this.#parts.settings);
  }

  #emit(outcome: 'done' | 'retry' | 'dead' | 'held', started: number): void {
    this.#parts.telemetry.emit({ type: 'effect', topic: this.#parts.topic, elapsedMs: performance.now() - started, outcome });
  }
}

const FRESH = { state: EffectState.OPEN, attempts: 0, deferrals: 0, claim: null, leaseUntil: null, reason: '', error: '' };

/** Two effects with one key are one effect. */
