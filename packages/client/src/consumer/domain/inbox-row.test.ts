import { describe, expect, it } from 'vitest';
import { CONTENT_COLUMNS, contentValues, type InboxColumns, type InboxRow, messageOfRow, rowOfColumns } from './inbox-row.ts';

const row: InboxRow = {
  messageKey: 'P:1',
  generation: 2,
  producerGroup: 'P',
  brokerMessageId: 'b',
  topic: 'T',
  tag: 'A',
  body: Buffer.from('{"a":"ü"}'),
  contentType: 'application/json',
  headers: { lang: 'zh' },
  traceparent: '00-1-2-01',
  tracestate: 'a=b',
  attempts: 0,
  openEffects: 0,
};

function throughTheTable(written: InboxRow): InboxRow {
  const values = contentValues(written);
  const columns = Object.fromEntries(CONTENT_COLUMNS.split(', ').map((name, index) => [name, values[index]]));
  return rowOfColumns({ ...columns, attempts: written.attempts, open_effects: written.openEffects } as unknown as InboxColumns);
}

describe('an inbox row', () => {
  it.each([row, { ...row, body: undefined, headers: {} }])('reads back as written: %o', (written) => {
    expect(throughTheTable(written)).toEqual(written);
  });

  it('keeps exactly its part of a body that is a view of a larger buffer', () => {
    const large = Buffer.from('before[body]after');
    expect(throughTheTable({ ...row, body: large.subarray(7, 11) }).body).toEqual(Buffer.from('body'));
  });

  it('is to its handler a message with its try, text and JSON', () => {
    const message = messageOfRow({ ...row, attempts: 4 });
    expect(message).toMatchObject({ messageKey: 'P:1', generation: 2, attempt: 5, headers: { lang: 'zh' } });
    expect(message.text()).toBe('{"a":"ü"}');
    expect(message.json()).toEqual({ a: 'ü' });
  });

  it.each([
    ['the body is not JSON', Buffer.from('{')],
    ['the body is not UTF-8', Buffer.from([0xff])],
  ])('calls a message bad when %s', (words, body) => {
    expect(() => messageOfRow({ ...row, body }).json()).toThrow(words);
  });
});
