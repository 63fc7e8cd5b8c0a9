import { describe, expect, it } from 'vitest';
import { afterBatchRefusal, describeCode, isPermanentRefusal } from './refusals.ts';

describe('refusals', () => {
  it.each([
    [40002, true, 'fail'],
    [40004, true, 'singly'],
    [40007, true, 'singly'],
    [40000, false, 'singly'],
    [40014, false, 'fail'],
    [40100, false, 'fail'],
    [40300, false, 'fail'],
    [40402, false, 'fail'],
    [41301, true, 'singly'],
    [41302, true, 'singly'],
    [42900, false, 'fail'],
    [43101, true, 'singly'],
    [50001, false, 'halves'],
    [50400, false, 'fail'],
  ] as const)('code %i: permanent %s, a batch is tried %s', (code, permanent, next) => {
    expect(isPermanentRefusal(code)).toBe(permanent);
    expect(afterBatchRefusal(code)).toBe(next);
  });

  it('names a code for people', () => {
    expect(describeCode(40402)).toBe('TOPIC_NOT_FOUND (40402)');
    expect(describeCode(12345)).toBe('code 12345');
  });
});
