import { describe, expect, it } from 'vitest';
import { decodeHeaders, encodeHeaders } from './headers.ts';

describe('headers in SQL', () => {
  it.each([{}, { a: '1' }, { lang: '你好 😀', quote: '"\\\'', empty: '' }])('read back as written: %o', (headers) => {
    expect(decodeHeaders(encodeHeaders(headers))).toEqual(headers);
  });

  it('take no room when there are none', () => {
    expect(encodeHeaders({})).toBeNull();
  });
});
