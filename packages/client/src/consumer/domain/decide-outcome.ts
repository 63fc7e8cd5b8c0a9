import { isExhausted, type RetryPolicy, waitBeforeRetry } from '@tpc/core';
import { BadMessageError, describeError, detailOf, EffectDeferred, EffectFailed, EffectUncertain, FencedError, reasonCode } from '../errors.ts';
import { EffectState, Reason } from './states.ts';

/** What follows from a handler's error. */
export type HandlerOutcome =
  | { kind: 'retry'; waitMs: number; error: string }
  | { kind: 'dead'; reason: string; detail: string }
  /** The row is another's: nothing is written. */
  | { kind: 'fenced' };

/**
 * Decides what follows when a handler has failed.
 * @param attempts tries with an outcome, this one included
 * @param random a number in [0, 1), for the jitter
 */
export function decideHandlerOutcome(error: unknown, attempts: number, retry: RetryPolicy, random: number): HandlerOutcome {
  if (error instanceof FencedError) return { kind: 'fenced' };
  if (error instanceof BadMessageError || error instanceof EffectFailed) {
    return { kind: 'dead', reason: reasonCode(error.reason), detail: describeOwn(error) };
  }
  if (isExhausted(retry, attempts)) return { kind: 'dead', reason: Reason.RETRIES_EXHAUSTED, detail: describeError(error) };
  return { kind: 'retry', waitMs: waitBeforeRetry(retry, attempts, random), error: describeError(error) };
}

/** What follows from an effect's error. `deferral`: the handler has asked for a later try. */
export type EffectOutcome =
  | { kind: 'retry'; waitMs: number; error: string; deferral?: { counts: boolean; waitsFor: string } }
  | { kind: 'dead'; reason: string; detail: string }
  | { kind: 'held'; detail: string };

/**
 * Decides what follows when an effect's run has failed. A time-out counts as uncertain: the outside may have done it.
 * @param attempts claims of this effect, this one included
 */
export function decideEffectOutcome(
  error: unknown,
  attempts: number,
  options: { retry: RetryPolicy; onUncertain: 'repeat' | 'hold'; random: number },
): EffectOutcome {
  if (error instanceof EffectDeferred) {
    const waitMs = deferralWait(error.waitMs, options.retry.firstWaitMs);
    const waitsFor = typeof error.waitsFor === 'string' && WAITS_FOR.test(error.waitsFor) ? error.waitsFor : '';
    return { kind: 'retry', waitMs, error: describeOwn(error), deferral: { counts: error.counts, waitsFor } };
  }
  if (error instanceof EffectUncertain && options.onUncertain === 'hold') return { kind: 'held', detail: describeError(error) };
  const outcome = decideHandlerOutcome(error, attempts, options.retry, options.random);
  if (outcome.kind === 'fenced') return { kind: 'retry', waitMs: options.retry.firstWaitMs, error: describeError(error) };
  return outcome;
}

/** What the column holds. Another name could not be stored, and the effect would not be deferred at all. */
const WAITS_FOR = /^[A-Za-z0-9_-]{0,32}$/;
/** Longest deferral, milliseconds: a year. */
const MAX_DEFERRAL_MS = 365 * 86_400_000;

/** A wait that a clock can be set by, whatever the handler has asked for. */
function deferralWait(waitMs: unknown, usual: number): number {
  const wanted = typeof waitMs === 'number' && !Number.isNaN(waitMs) ? waitMs : usual;
  return Math.min(MAX_DEFERRAL_MS, Math.max(1, Math.round(wanted)));
}

/** What a stored effect may do now. */
export type EffectStep =
  | 'run'
  /** It waits for its retry, or another process is at it. */
  | 'wait'
  /** Its process died between the act and the mark, and it must not be repeated. */
  | 'hold'
  | 'settled';

/** Decides what an effect of a claimed inbox row may do. */
export function decideEffectStep(
  effect: { state: number; claim: string | null; leaseUntil: number | null },
  now: number,
  onUncertain: 'repeat' | 'hold',
): EffectStep {
  if (effect.state !== EffectState.OPEN) return 'settled';
  if ((effect.leaseUntil ?? 0) > now) return 'wait';
  return effect.claim !== null && onUncertain === 'hold' ? 'hold' : 'run';
}

/** What the message's effects, all settled, make of it. */
export type SettledMessage = { kind: 'consumed' } | { kind: 'dead'; reason: string; detail: string };

/** Decides how a message ends whose effects are all settled. */
export function decideSettledMessage(effects: readonly { effectKey: string; state: number; reason: string; error: string }[]): SettledMessage {
  const failed = effects.filter((effect) => effect.state !== EffectState.DONE);
  if (failed.length === 0) return { kind: 'consumed' };
  const reasons = new Set(failed.map((effect) => (effect.state === EffectState.HELD ? Reason.EFFECT_UNCERTAIN : effect.reason)));
  const [only] = reasons;
  const words = failed.map((effect) => `${effect.effectKey}: ${[effect.reason, effect.error].filter(Boolean).join(': ')}`);
  return {
    kind: 'dead',
    reason: reasons.size === 1 && only ? only : Reason.EFFECT_FAILED,
    detail: detailOf(`${failed.length} of ${effects.length} effects: ${words.join('; ')}`),
  };
}

/** The thrower has promised that the detail holds no personal data; the class's name adds nothing. */
function describeOwn(error: Error): string {
  return detailOf(error.message);
}
