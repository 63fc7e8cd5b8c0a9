import { describe, expect, it } from 'vitest';
import { decodeHeaders, encodeHeaders } from './headers.ts';

describe('headers in SQL', () => {
  it.each([{}, { a: '1' }, { lang: '你好 😀', quote: '"\\\'', empty: '' }])('read back as written: %o', (headers) => {
    expect(decodeHeaders(encodeHeaders(headers))).toEqual(headers);
  });

  it('are the same bytes in whatever order they come', () => {
    const bytes = Buffer.from('{"B":"2","a":"1","b":"3"}');
    expect(encodeHeaders({ b: '3', B: '2', a: '1' })).toEqual(bytes);
    expect(encodeHeaders({ a: '1', b: '3', B: '2' })).toEqual(bytes);
  });

  it('take no room when there are none', () => {
    expect(encodeHeaders({})).toBeNull();
    expect(decodeHeaders(null)).toEqual({});
  });
});
