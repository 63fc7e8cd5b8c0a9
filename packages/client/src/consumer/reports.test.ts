import { describe, expect, it } from 'vitest';
import { TpcError } from '../connection/index.ts';
import { outcomeOfHeartbeat } from './registration.ts';
import { latestPerDelivery } from './reporter.ts';
import { ReportKind } from './states.ts';

const report = (messageKey: string, kind: ReportKind, generation = 1) => ({ messageKey, generation, kind, reason: '', detail: '' });
const { RECEIVED, CONSUMED, FAILED } = ReportKind;

describe('latestPerDelivery', () => {
  it('lets a receive and its consumed of one flush travel as consumed only', () => {
    expect(latestPerDelivery([report('a', RECEIVED), report('b', RECEIVED), report('a', CONSUMED)])).toEqual([
      report('a', CONSUMED),
      report('b', RECEIVED),
    ]);
  });

  it('never lets a receive stand for an end', () => {
    expect(latestPerDelivery([report('a', CONSUMED), report('a', RECEIVED)])).toEqual([report('a', CONSUMED)]);
    expect(latestPerDelivery([report('a', FAILED), report('a', CONSUMED)])).toEqual([report('a', CONSUMED)]);
  });

  it('keeps generations apart', () => {
    expect(latestPerDelivery([report('a', RECEIVED, 1), report('a', CONSUMED, 2)])).toHaveLength(2);
  });
});

describe('outcomeOfHeartbeat', () => {
  const error = (status: TpcError['status'], reason = '', metadata = {}) =>
    new TpcError('x', { status, reason, metadata, field: '', retryAfterMs: undefined });
  it.each([
    [undefined, 'accepted'],
    [error('UNAVAILABLE'), 'unavailable'],
    [error('DEADLINE_EXCEEDED'), 'unavailable'],
    [error('RESOURCE_EXHAUSTED'), 'unavailable'],
    [error('PERMISSION_DENIED'), 'refused'],
    [error('INVALID_ARGUMENT'), 'refused'],
    [error('FAILED_PRECONDITION', 'INBOX_STORE_CONFLICT'), 'conflict'],
    [error('FAILED_PRECONDITION', 'TPC10050099', { name: 'INBOX_STORE_CONFLICT' }), 'conflict'],
  ] as const)('%o is %s', (given, expected) => {
    expect(outcomeOfHeartbeat(given)).toBe(expected);
  });
});
