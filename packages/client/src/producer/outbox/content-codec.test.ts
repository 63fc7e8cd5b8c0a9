import { describe, expect, it } from 'vitest';
import { fromRow, type OutboxContent, sameContent, sizeOnWire, toOutgoing, toRow } from './content-codec.ts';

const CONTENT: OutboxContent = {
  key: 'UAC:1',
  topic: 'T',
  tag: 'A',
  body: Buffer.from('x'),
  contentType: 'text/plain',
  headers: { b: 'ü', a: '1' },
  sendType: 'SAVE_AND_SEND',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  tracestate: 's=1',
};

describe('outbox content', () => {
  it('comes back from its row as it was', () => {
    expect(fromRow(toRow(CONTENT))).toEqual(CONTENT);
    expect(fromRow(toRow({ ...CONTENT, headers: {}, sendType: 'WAIT_CONFIRM' }))).toEqual({ ...CONTENT, headers: {}, sendType: 'WAIT_CONFIRM' });
  });

  it('goes out with everything that TPC takes', () => {
    const { messageKey, topic, tag, data, contentType, headers, traceparent, tracestate } = toOutgoing(CONTENT);
    expect({ key: messageKey, topic, tag, body: data, contentType, headers, traceparent, tracestate, sendType: CONTENT.sendType }).toEqual(CONTENT);
  });

  it.each<[string, Partial<OutboxContent>, boolean]>([
    ['the order of headers', { headers: { a: '1', b: 'ü' } }, true],
    ['the trace', { traceparent: '', tracestate: '' }, true],
    ['the send type', { sendType: 'WAIT_CONFIRM' }, true],
    ['a header', { headers: { a: '1' } }, false],
    ['no headers', { headers: {} }, false],
    ['the body', { body: Buffer.from('y') }, false],
    ['the topic', { topic: 'U' }, false],
    ['the tag', { tag: '' }, false],
    ['the content type', { contentType: '' }, false],
  ])('with another value for %s', (_name, part, same) => {
    expect(sameContent(CONTENT, { ...CONTENT, ...part })).toBe(same);
  });

  it('is never counted smaller than it is on the wire', () => {
    expect(sizeOnWire(CONTENT)).toBeGreaterThan(CONTENT.body.length + 'aü1b'.length);
  });
});
