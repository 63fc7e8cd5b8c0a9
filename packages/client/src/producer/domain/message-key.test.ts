import { describe, expect, it } from 'vitest';
import { isGroupName, keyForAttempt, keyProblem } from './message-key.ts';

describe('message keys', () => {
  it.each([
    ['01890a5d-ac96-774b-bcce-b302099a8057', undefined],
    ['UAC:order-7', undefined],
    ['UAC:a@b.c_d:e', undefined],
    [`UAC:${'x'.repeat(124)}`, undefined],
    [`UAC:${'x'.repeat(125)}`, /longer than 128/],
    ['01890A5D-AC96-774B-BCCE-B302099A8057', /neither a UUID/],
    ['OPC:order-7', /neither a UUID/],
    ['UAC:', /neither a UUID/],
    ['order-7', /neither a UUID/],
    ['', /characters/],
    ['UAC:with space', /characters/],
    ['UAC:ключ', /characters/],
    ['UAC:a#1', /characters/],
  ])('%s', (key, problem) => {
    const found = keyProblem(key, 'UAC');
    if (problem === undefined) expect(found).toBeUndefined();
    else expect(found).toMatch(problem);
  });

  it('counts the uses of a key whose barriers stand', () => {
    expect([1, 2, 3].map((attempt) => keyForAttempt('UAC:a', attempt))).toEqual(['UAC:a', 'UAC:a.2', 'UAC:a.3']);
  });

  it.each([
    ['UAC', true],
    ['u_a-c9', true],
    ['x'.repeat(64), true],
    ['x'.repeat(65), false],
    ['', false],
    ['a:b', false],
    ['a b', false],
  ])('group %s', (group, good) => {
    expect(isGroupName(group)).toBe(good);
  });
});
