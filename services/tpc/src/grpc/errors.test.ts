import { status } from '@grpc/grpc-js';
import { BatchDeadlineExceeded, BatcherFull } from '@tpc/core';
import { AppError } from '@tpc/platform';
import { describe, expect, it } from 'vitest';
import { REASONS } from '../domain/reasons.ts';
import { appErrorOf, appErrorOfRefusal, stateOrRefuse, toCallError } from './errors.ts';

describe('errors of the calls', () => {
  it('carry the code of the table, its name, and the variables of their message', () => {
    expect(appErrorOfRefusal({ refused: 'MESSAGE_NOT_FOUND', metadata: { message_key: 'k1' } })).toMatchObject({
      status: status.NOT_FOUND,
      reason: 'TPC10050002',
      reasonName: 'MESSAGE_NOT_FOUND',
      message: 'No message k1 of this producer group.',
      metadata: { message_key: 'k1' },
    });
  });

  it('tell when to try again where another holds the message', () => {
    const busy = appErrorOfRefusal({ refused: 'STORE_UNAVAILABLE', metadata: { message_key: 'k1' } });
    expect(busy).toMatchObject({ status: status.UNAVAILABLE, retryAfterMs: expect.any(Number) });
  });

  it('have a legal code and a status that gRPC knows, all of them', () => {
    for (const { code, status: name } of Object.values(REASONS)) {
      expect(code).toMatch(/^[A-Z][A-Z0-9_]{0,61}[A-Z0-9]$/);
      expect(status[name]).toBeTypeOf('number');
    }
  });

  it.each([
    ['a full queue', new BatcherFull('save', 1), { status: status.RESOURCE_EXHAUSTED, reason: 'OVERLOADED' }, true],
    ['an absent database', { code: 'ECONNREFUSED' }, { status: status.UNAVAILABLE, reason: 'STORE_UNAVAILABLE' }, true],
    ['an exhausted pool', { name: 'KnexTimeoutError' }, { status: status.UNAVAILABLE, reason: 'STORE_UNAVAILABLE' }, true],
    ['a deadline', new BatchDeadlineExceeded('save'), { status: status.DEADLINE_EXCEEDED, reason: 'DEADLINE_PASSED' }, false],
  ])('say of %s what it is, and whether a retry helps', (_, error, expected, retry) => {
    const callError = toCallError(error) as AppError;
    expect(callError).toMatchObject(expected);
    expect(callError.retryAfterMs !== undefined).toBe(retry);
  });

  it('leave what is typed already, and what nobody foresaw', () => {
    const typed = appErrorOf('OVERLOADED');
    const unforeseen = new Error('x');
    expect([toCallError(typed), toCallError(unforeseen)]).toEqual([typed, unforeseen]);
  });

  it('are made of refusals, not of states', () => {
    expect(stateOrRefuse({ state: 20 })).toEqual({ state: 20 });
    expect(() => stateOrRefuse({ refused: 'KEY_CONFLICT', metadata: {} })).toThrow(AppError);
  });
});
