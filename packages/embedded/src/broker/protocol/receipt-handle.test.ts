import { describe, expect, it } from 'vitest';
import { formatReceiptHandle, parseReceiptHandle } from './receipt-handle.ts';

describe('receipt handle', () => {
  it('reads back what it wrote', () => {
    const handle = { messageSeq: 123_456_789_012, attempt: 16, nonce: 2_147_483_647 };
    expect(parseReceiptHandle(formatReceiptHandle(handle))).toEqual(handle);
  });

  it.each(['', '1.2', '1.2.3.4', 'a.1.2', '1.2.-3', ' 1.2.3', '1.2.3 ', '1e3.1.1', '1234567890123456.1.1'])(
    'refuses %j, which is no handle',
    (text) => {
      expect(parseReceiptHandle(text)).toBeUndefined();
    },
  );
});
