import { describe, expect, it } from 'vitest';
import { type Copy, decideMark, strongerReport } from './mark-copy.ts';

const copy = (status: number, dead = false, generation = 1): Copy => ({ status, dead, generation });
const nothing = { write: undefined, open: 0, dead: 0 };

describe('a report about a copy', () => {
  it.each([
    ['unconfirmed', copy(10), 'received', { write: 'received', open: 0, dead: 0 }],
    ['unconfirmed', copy(10), 'consumed', { write: 'consumed', open: -1, dead: 0 }],
    ['unconfirmed', copy(10), 'failed', { write: 'failed', open: -1, dead: 1 }],
    ['received', copy(20), 'received', nothing],
    ['received', copy(20), 'consumed', { write: 'consumed', open: -1, dead: 0 }],
    ['received', copy(20), 'failed', { write: 'failed', open: -1, dead: 1 }],
    ['dead', copy(20, true), 'received', nothing],
    ['dead', copy(20, true), 'consumed', { write: 'consumed', open: 0, dead: -1 }],
    ['dead', copy(20, true), 'failed', nothing],
    ['consumed', copy(30), 'received', nothing],
    ['consumed', copy(30), 'consumed', nothing],
    ['consumed', copy(30), 'failed', nothing],
    ['skipped', copy(40), 'received', nothing],
    ['skipped', copy(40), 'consumed', nothing],
    ['skipped', copy(40), 'failed', nothing],
  ] as const)('that is %s (%o): %s', (_name, before, kind, expected) => {
    expect(decideMark(before, { kind, generation: 1 })).toEqual(expected);
  });

  it('of an older generation changes nothing', () => {
    expect(decideMark(copy(10, false, 3), { kind: 'consumed', generation: 2 })).toEqual(nothing);
  });

  it('of a generation that TPC does not know counts: TPC was restored from a backup', () => {
    expect(decideMark(copy(10, false, 1), { kind: 'consumed', generation: 2 })).toEqual({ write: 'consumed', open: -1, dead: 0 });
  });
});

describe('strongerReport', () => {
  const report = (kind: 'received' | 'consumed' | 'failed', generation = 1) => ({ kind, generation });
  it('takes consumed before failed before received, whatever came first', () => {
    expect(strongerReport(report('received'), report('consumed'))).toEqual(report('consumed'));
    expect(strongerReport(report('consumed'), report('failed'))).toEqual(report('consumed'));
    expect(strongerReport(report('received'), report('failed'))).toEqual(report('failed'));
    expect(strongerReport(report('failed'), report('received'))).toEqual(report('failed'));
  });

  it('takes the first of two that are equal', () => {
    const first = report('failed');
    expect(strongerReport(first, report('failed'))).toBe(first);
  });

  it('takes the newer generation', () => {
    expect(strongerReport(report('consumed', 1), report('received', 2))).toEqual(report('received', 2));
    expect(strongerReport(report('received', 2), report('consumed', 1))).toEqual(report('received', 2));
  });
});
