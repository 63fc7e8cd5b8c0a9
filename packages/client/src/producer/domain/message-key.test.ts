import { describe, expect, it } from 'vitest';
import { keyForAttempt } from './message-key.ts';

describe('message keys', () => {
  it('counts the uses of a key whose barriers stand', () => {
    expect([1, 2, 3].map((attempt) => keyForAttempt('UAC:a', attempt))).toEqual(['UAC:a', 'UAC:a.2', 'UAC:a.3']);
  });
});
