import { describe, expect, it } from 'vitest';
import { afterBatchRefusal, describeCode, explainRefusal, isPermanentRefusal } from './refusals.ts';

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

  it.each([
    [
      '[request-id=undefined, response-code=40402] CODE: 17  DESC: No topic route info in name server for the topic: T\nFor more information, see',
      'topic T does not exist on the broker: make it there',
    ],
    [
      '3 INVALID_ARGUMENT: process client telemetryCommand failed. group not found: G',
      'consumer group G does not exist on the broker: make it there',
    ],
    ['anything else\nand more', 'anything else'],
  ])('explains %j in one line', (said, line) => {
    expect(explainRefusal(new Error(said))).toBe(line);
  });
});
