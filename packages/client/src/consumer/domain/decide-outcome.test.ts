import { describe, expect, it } from 'vitest';
import { BadMessageError, describeError, EffectDeferred, EffectFailed, EffectUncertain, FencedError, reasonCode } from '../errors.ts';
import { decideEffectOutcome, decideEffectStep, decideHandlerOutcome, decideSettledMessage } from './decide-outcome.ts';

const retry = { firstWaitMs: 1000, factor: 2, maxWaitMs: 60_000, jitter: 0, maxAttempts: 3 };

describe('decideHandlerOutcome', () => {
  it.each([
    [new Error('x'), 1, { kind: 'retry', waitMs: 1000, error: 'x' }],
    [new Error('x'), 2, { kind: 'retry', waitMs: 2000, error: 'x' }],
    [new Error('x'), 3, { kind: 'dead', reason: 'RETRIES_EXHAUSTED', detail: 'x' }],
    ['a string', 1, { kind: 'retry', waitMs: 1000, error: 'a string' }],
    [new BadMessageError('no address'), 1, { kind: 'dead', reason: 'BAD_MESSAGE', detail: 'no address' }],
    [new BadMessageError('no address', 'NO_ADDRESS'), 1, { kind: 'dead', reason: 'NO_ADDRESS', detail: 'no address' }],
    [new EffectFailed('REFUSED', '550'), 1, { kind: 'dead', reason: 'REFUSED', detail: '550' }],
    [new BadMessageError('no address', 'no code'), 1, { kind: 'dead', reason: 'FAILED', detail: 'no address' }],
    [new BadMessageError('x'.repeat(2_000)), 1, { kind: 'dead', reason: 'BAD_MESSAGE', detail: 'x'.repeat(1024) }],
    [new FencedError(), 9, { kind: 'fenced' }],
  ])('%o at try %i', (error, attempts, expected) => {
    expect(decideHandlerOutcome(error, attempts, retry, 0.5)).toEqual(expected);
  });

  it('goes on for ever where the policy has no end', () => {
    expect(decideHandlerOutcome(new Error('x'), 10_000, { ...retry, maxAttempts: undefined }, 0.5)).toMatchObject({ kind: 'retry', waitMs: 60_000 });
  });
});

describe('decideEffectOutcome', () => {
  it.each([
    [new Error('450'), 1, 'hold', { kind: 'retry', waitMs: 1000, error: '450' }],
    [new Error('450'), 3, 'repeat', { kind: 'dead', reason: 'RETRIES_EXHAUSTED', detail: '450' }],
    [new EffectFailed('REFUSED', '550'), 1, 'repeat', { kind: 'dead', reason: 'REFUSED', detail: '550' }],
    [new EffectUncertain('lost'), 1, 'repeat', { kind: 'retry', waitMs: 1000, error: 'EffectUncertain: lost' }],
    [new EffectUncertain('lost'), 1, 'hold', { kind: 'held', detail: 'EffectUncertain: lost' }],
    [new EffectUncertain('lost'), 3, 'hold', { kind: 'held', detail: 'EffectUncertain: lost' }],
    [new EffectDeferred('450', { waitMs: 7 }), 99, 'hold', { kind: 'retry', waitMs: 7, error: '450', deferral: { counts: true, waitsFor: '' } }],
    [
      new EffectDeferred('away', { waitMs: 0, counts: false, waitsFor: 'server' }),
      3,
      'repeat',
      { kind: 'retry', waitMs: 1, error: 'away', deferral: { counts: false, waitsFor: 'server' } },
    ],
    [new EffectDeferred('450', { waitMs: 7.6 }), 1, 'repeat', { kind: 'retry', waitMs: 8, error: '450', deferral: { counts: true, waitsFor: '' } }],
    // Only the row is another's: what the outside has done or not done stays open, however often it was tried.
    [new FencedError(), 9, 'hold', { kind: 'retry', waitMs: 1000, error: 'FencedError: another instance has taken this message over' }],
  ] as const)('%o at try %i with %s', (error, attempts, onUncertain, expected) => {
    expect(decideEffectOutcome(error, attempts, { retry, onUncertain, random: 0.5 })).toEqual(expected);
  });
});

describe('a deferral that asks for what no column or clock holds', () => {
  const decide = (waitMs: unknown, waitsFor: unknown = '') => {
    const error = Object.assign(new EffectDeferred('later', { waitMs: 1 }), { waitMs, waitsFor });
    const outcome = decideEffectOutcome(error, 1, { retry, onUncertain: 'repeat', random: 0.5 });
    return outcome.kind === 'retry' ? [outcome.waitMs, outcome.deferral?.waitsFor] : [];
  };

  it.each([
    [Number.NaN, 1000],
    ['7', 1000],
    [undefined, 1000],
    [-5, 1],
    [Number.POSITIVE_INFINITY, 365 * 86_400_000],
  ])('waits %s ms: it waits %i', (waitMs, expected) => {
    expect(decide(waitMs)).toEqual([expected, '']);
  });

  it.each([
    ['aZ09_-', 'aZ09_-'],
    ['x'.repeat(32), 'x'.repeat(32)],
    ['x'.repeat(33), ''],
    [' a', ''],
    ['a ', ''],
    [7, ''],
    [undefined, ''],
  ])('waits for %j: it waits for %j', (waitsFor, expected) => {
    expect(decide(5, waitsFor)).toEqual([5, expected]);
  });
});

describe('decideEffectStep', () => {
  it.each([
    ['never begun', { state: 10, claim: null, leaseUntil: null }, 'run', 'run'],
    ['waits for its retry', { state: 10, claim: null, leaseUntil: 101 }, 'wait', 'wait'],
    ['due for its retry', { state: 10, claim: null, leaseUntil: 100 }, 'run', 'run'],
    ['with another process', { state: 10, claim: 'x', leaseUntil: 101 }, 'wait', 'wait'],
    ['its process died', { state: 10, claim: 'x', leaseUntil: 100 }, 'run', 'hold'],
    ['done', { state: 30, claim: null, leaseUntil: null }, 'settled', 'settled'],
    ['held', { state: 40, claim: null, leaseUntil: null }, 'settled', 'settled'],
    ['dead', { state: 50, claim: null, leaseUntil: null }, 'settled', 'settled'],
  ] as const)('%s', (_name, effect, repeat, hold) => {
    expect(decideEffectStep(effect, 100, 'repeat')).toBe(repeat);
    expect(decideEffectStep(effect, 100, 'hold')).toBe(hold);
  });
});

describe('decideSettledMessage', () => {
  const effect = (effectKey: string, state: number, reason = '', error = '') => ({ effectKey, state, reason, error });
  it.each([
    ['all done', [effect('a', 30), effect('b', 30)], { kind: 'consumed' }],
    [
      'one dead',
      [effect('a', 30), effect('b', 50, 'REFUSED', '550')],
      { kind: 'dead', reason: 'REFUSED', detail: '1 of 2 effects: b: REFUSED: 550' },
    ],
    [
      'one held, whatever its last try said',
      [effect('a', 40, 'REFUSED', 'lost')],
      { kind: 'dead', reason: 'EFFECT_UNCERTAIN', detail: '1 of 1 effects: a: REFUSED: lost' },
    ],
    [
      'for different reasons',
      [effect('a', 50, 'REFUSED'), effect('b', 50, 'RETRIES_EXHAUSTED')],
      { kind: 'dead', reason: 'EFFECT_FAILED', detail: '2 of 2 effects: a: REFUSED; b: RETRIES_EXHAUSTED' },
    ],
    ['for no reason that is known', [effect('a', 50)], { kind: 'dead', reason: 'EFFECT_FAILED', detail: '1 of 1 effects: a: ' }],
  ])('%s', (_name, effects, expected) => {
    expect(decideSettledMessage(effects)).toEqual(expected);
  });

  it('says no more than may be reported', () => {
    const many = Array.from({ length: 100 }, (_, n) => effect(`key ${n}`, 50, 'REFUSED', 'x'.repeat(100)));
    expect((decideSettledMessage(many) as { detail: string }).detail).toHaveLength(1024);
  });
});

describe('describeError', () => {
  it.each([
    [new Error('550 <a.b@example.org> unknown'), '550 <<address>> unknown'],
    [new Error('call +86 138 0013 8000 failed'), 'call <number> failed'],
    [new TypeError('x is not a function'), 'TypeError: x is not a function'],
    [Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }), 'ECONNREFUSED: connect'],
    ['plain', 'plain'],
    [undefined, 'undefined'],
  ])('%o', (error, expected) => {
    expect(describeError(error)).toBe(expected);
  });

  it('is at most 1,024 characters', () => {
    expect(describeError(new Error('x '.repeat(5000)))).toHaveLength(1024);
  });
});

describe('reasonCode', () => {
  it.each([
    ['NO_ADDRESS', 'NO_ADDRESS'],
    ['no address', 'FAILED'],
    ['', 'FAILED'],
    ['X'.repeat(65), 'FAILED'],
  ])('%s is reported as %s', (reason, expected) => {
    expect(reasonCode(reason)).toBe(expected);
  });
});
