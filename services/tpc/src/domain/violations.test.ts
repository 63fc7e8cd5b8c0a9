import { describe, expect, it } from 'vitest';
import { reasonOfViolations } from './violations.ts';

describe('reasonOfViolations', () => {
  const of = (...names: string[]) => reasonOfViolations(names.map((reason) => ({ field: 'f', reason, description: '' })));
  it('answers the original’s code, in its order of checks, where there is one', () => {
    expect(of('PRODUCER_GROUP_EMPTY', 'BODY_EMPTY', 'TOPIC_EMPTY', 'KEY_EMPTY')).toBe('KEY_EMPTY');
    expect(of('PRODUCER_GROUP_EMPTY', 'TAG_SYNTAX')).toBe('PRODUCER_GROUP_EMPTY');
    expect(of('INSTANCE_ID_EMPTY')).toBe('ARGUMENT_EMPTY');
    expect(of('TAG_SYNTAX')).toBe('FIELD_INVALID');
    expect([of('BATCH_SIZE'), of('BATCH_SIZE', 'TAG_SYNTAX')]).toEqual(['BATCH_SIZE', 'FIELD_INVALID']);
  });
});
