import type { Violation } from '@tpc/core';
import { describe, expect, it } from 'vitest';
import { reasonOfViolations, spokenOf } from './violations.ts';

const violations = (...names: string[]): Violation[] => names.map((reason, n) => ({ field: `f${n}`, reason, description: '' }));

describe('reasonOfViolations', () => {
  const of = (...names: string[]) => reasonOfViolations(violations(...names));
  it('answers the original’s code, in its order of checks, where there is one', () => {
    const inOrder = ['DATA_EMPTY', 'KEY_EMPTY', 'TOPIC_EMPTY', 'BODY_EMPTY', 'PRODUCER_GROUP_EMPTY', 'DELAY_LEVEL_BAD'];
    for (const [place, name] of inOrder.entries()) expect(of('TAG_SYNTAX', 'INSTANCE_ID_EMPTY', ...inOrder.slice(place).reverse())).toBe(name);
    expect(of('INSTANCE_ID_EMPTY')).toBe('ARGUMENT_EMPTY');
    expect(of('TAG_SYNTAX', 'INSTANCE_ID_EMPTY')).toBe('ARGUMENT_EMPTY');
    expect(of('TAG_SYNTAX')).toBe('FIELD_INVALID');
    expect([of('BATCH_SIZE'), of('BATCH_SIZE', 'TAG_SYNTAX')]).toEqual(['BATCH_SIZE', 'FIELD_INVALID']);
  });
});

describe('spokenOf', () => {
  const given = violations('TAG_SYNTAX', 'HOST_EMPTY', 'TOPIC_EMPTY', 'TOPIC_EMPTY');
  it.each([
    ['ARGUMENT_EMPTY', ['f1', 'f2', 'f3']],
    ['FIELD_INVALID', ['f0']],
    ['TOPIC_EMPTY', ['f2', 'f3']],
  ] as const)('%s speaks of %j', (name, fields) => {
    expect(spokenOf(name, given).map(({ field }) => field)).toEqual(fields);
  });
});
