import { redact } from '@tpc/core';

/**
 * What a handler throws to say more than "it failed". Reason codes are at most 64 characters of [A-Z0-9_]; details are for people, travel to
 * TPC and must not hold personal data.
 */

/** The message itself is wrong (it fails validation): never tried again, dead at once and reported. */
export class BadMessageError extends Error {
  readonly reason: string;

  /**
   * @param detail why, without personal data
   * @param reason code to report; default BAD_MESSAGE
   */
  constructor(detail: string, reason = 'BAD_MESSAGE') {
    super(detail);
    this.name = 'BadMessageError';
    this.reason = reason;
  }
}

/** This effect can never succeed (the mail server refuses the recipient for good). The message's other effects go on. */
export class EffectFailed extends Error {
  readonly reason: string;

  /**
   * @param reason code, for example RECIPIENT_REFUSED
   * @param detail why, without personal data
   */
  constructor(reason: string, detail: string) {
    super(detail);
    this.name = 'EffectFailed';
    this.reason = reason;
  }
}

/**
 * This effect was not done, and is to be tried later; the handler says when. The retry policy neither sets this wait nor ends such tries: how often an
 * effect may be deferred is the handler's decision (`EffectContext.deferrals`).
 */
export class EffectDeferred extends Error {
  readonly waitMs: number;
  readonly counts: boolean;
  readonly waitsFor: string;

  /**
   * @param detail why, without personal data
   * @param options.waitMs time to the next try, milliseconds
   * @param options.counts whether `EffectContext.deferrals` of later tries counts this one; default true
   * @param options.waitsFor what ends the wait early (`Consumer.wake`), at most 32 characters of [A-Za-z0-9_-]; default: nothing does
   */
  constructor(detail: string, { waitMs, counts = true, waitsFor = '' }: { waitMs: number; counts?: boolean; waitsFor?: string }) {
    super(detail);
    this.name = 'EffectDeferred';
    this.waitMs = waitMs;
    this.counts = counts;
    this.waitsFor = waitsFor;
  }
}

/** Nobody knows whether the effect was done (the reply was lost after the act). What follows is the handler's `onUncertain`. */
export class EffectUncertain extends Error {
  constructor(detail: string, cause?: unknown) {
    super(detail, { cause });
    this.name = 'EffectUncertain';
  }
}

/** Another instance has taken the row over since it was claimed: nothing of this transaction may stay. */
export class FencedError extends Error {
  constructor() {
    super('another instance has taken this message over');
    this.name = 'FencedError';
  }
}

/** The database has ended the handler's transaction before its COMMIT, and the handler went on: nothing of it may stay. */
export class TransactionEnded extends Error {
  constructor() {
    super("the database ended the handler's transaction before COMMIT");
    this.name = 'TransactionEnded';
  }
}

/** An error as fields of a log line: what a handler has said on purpose needs neither its class nor where it was thrown. */
export function errorFields(error: unknown): { err: unknown } | { detail: string; reason?: string } {
  if (error instanceof BadMessageError || error instanceof EffectFailed) return { reason: error.reason, detail: error.message };
  if (error instanceof EffectDeferred || error instanceof EffectUncertain) return { detail: error.message };
  return { err: error };
}

const MAX_DETAIL = 1024;

/** A reason as TPC takes it: at most 64 characters of [A-Z0-9_]; anything else becomes FAILED. */
export function reasonCode(reason: string): string {
  return typeof reason === 'string' && /^[A-Z0-9_]{1,64}$/.test(reason) ? reason : 'FAILED';
}

/**
 * An error in words that may be stored and reported: its class, code and text, without the values of a statement, with mail addresses and long
 * numbers masked, at most 1,024 characters.
 */
export function describeError(thrown: unknown): string {
  const error = redact(thrown);
  if (!(error instanceof Error)) return detailOf(mask(String(error)));
  const code = (error as { code?: unknown }).code;
  const prefix = error.name === 'Error' ? '' : `${error.name}: `;
  return detailOf(mask(`${prefix}${code === undefined ? '' : `${String(code)}: `}${error.message}`));
}

function mask(text: string): string {
  return text
    .slice(0, 4 * MAX_DETAIL)
    .replace(/[^\s@<>"'(),;:]+@[^\s@<>"'(),;:]+/g, '<address>')
    .replace(/\+?\d[\d -]{6,}\d/g, '<number>');
}

/** Words as they are stored and reported: not too long, and without half of a character at the cut, which has no UTF-8. */
export function detailOf(text: string): string {
  return text.slice(0, MAX_DETAIL).toWellFormed();
}
