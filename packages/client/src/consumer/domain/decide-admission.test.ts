import type { ReceivedBrokerMessage } from '@tpc/broker';
import { describe, expect, it } from 'vitest';
import { decideAdmission } from './decide-admission.ts';

const message = (properties: Record<string, string>, more: Partial<ReceivedBrokerMessage> = {}): ReceivedBrokerMessage => ({
  brokerMessageId: 'b',
  topic: 'T',
  tag: 'A',
  keys: [],
  body: Buffer.from('body'),
  properties,
  deliveryAttempt: 1,
  storedAt: undefined,
  ...more,
});
const decide = (properties: Record<string, string>, more?: Partial<ReceivedBrokerMessage>) => decideAdmission(message(properties, more), 'G', 10);

describe('decideAdmission', () => {
  it.each([
    ['a message that TPC did not publish', {}, { kind: 'drop', why: 'not from TPC' }],
    ['a generation that is no number', { 'tpc-key': 'k', 'tpc-generation': 'x' }, { kind: 'drop', why: 'not from TPC' }],
    ['a redelivery for another group', { 'tpc-key': 'k', 'tpc-only-group': 'H' }, { kind: 'drop', why: 'for another group' }],
    ['a key that no column holds', { 'tpc-key': 'k'.repeat(161) }, { kind: 'drop', why: 'unusable key' }],
    ['a key that is not ASCII', { 'tpc-key': 'é' }, { kind: 'drop', why: 'unusable key' }],
    ['a redelivery for this group', { 'tpc-key': 'k', 'tpc-only-group': 'G' }, { kind: 'store' }],
    ['an ordinary message', { 'tpc-key': 'k' }, { kind: 'store', row: { messageKey: 'k', generation: 1, topic: 'T', tag: 'A' } }],
    ['a content type that does not fit', { 'tpc-key': 'k', 'tpc-content-type': 'x'.repeat(129) }, { kind: 'tombstone', reason: 'UNSTORABLE' }],
    ['headers that do not fit', { 'tpc-key': 'k', 'tpc-h-a': 'x'.repeat(60_001) }, { kind: 'tombstone', reason: 'UNSTORABLE', row: { headers: {} } }],
  ])('%s', (_name, properties, expected) => {
    expect(decide(properties as Record<string, string>)).toMatchObject(expected);
  });

  it.each<[string, Record<string, string>, Partial<ReceivedBrokerMessage>, string | undefined]>([
    ['a key of 160 characters', { 'tpc-key': 'k'.repeat(160) }, {}, undefined],
    ['names of 64 characters', { 'tpc-key': 'k', 'tpc-producer': 'p'.repeat(64) }, { topic: 't'.repeat(64), tag: '~ '.repeat(32) }, undefined],
    ['a content type of 128 characters', { 'tpc-key': 'k', 'tpc-content-type': 'x'.repeat(128) }, {}, undefined],
    ['headers of 60,000 bytes', { 'tpc-key': 'k', 'tpc-h-a': 'x'.repeat(59_992) }, {}, undefined],
    ['a longer producer group', { 'tpc-key': 'k', 'tpc-producer': 'p'.repeat(65) }, {}, 'producerGroup is not at most 64 characters of ASCII'],
    ['a longer topic', { 'tpc-key': 'k' }, { topic: 't'.repeat(65) }, 'topic is not at most 64 characters of ASCII'],
    ['a longer tag', { 'tpc-key': 'k' }, { tag: 't'.repeat(65) }, 'tag is not at most 64 characters of ASCII'],
    ['a tag that begins beyond ASCII', { 'tpc-key': 'k' }, { tag: 'éa' }, 'tag is not at most 64 characters of ASCII'],
    ['a tag that ends beyond ASCII', { 'tpc-key': 'k' }, { tag: 'aé' }, 'tag is not at most 64 characters of ASCII'],
    ['a longer content type', { 'tpc-key': 'k', 'tpc-content-type': 'x'.repeat(129) }, {}, 'the content type is not at most 128 characters of ASCII'],
    ['larger headers', { 'tpc-key': 'k', 'tpc-h-a': 'x'.repeat(59_993) }, {}, 'the headers have 60001 bytes, at most 60000 are taken'],
    ['a larger body', { 'tpc-key': 'k' }, { body: Buffer.alloc(11) }, 'the body has 11 bytes, at most 10 are taken'],
  ])('the columns hold %s, or it is said what they do not hold', (_what, properties, more, detail) => {
    const admission = decide(properties, more);
    expect(admission.kind === 'tombstone' ? admission.detail : admission.kind).toBe(detail ?? 'store');
  });

  it.each(['a b', 'ka\u0000', 'ék', 'ké'])('drops a key with a character that no key has: %j', (key) => {
    expect(decide({ 'tpc-key': key })).toEqual({ kind: 'drop', why: 'unusable key' });
  });

  it('keeps of a message that cannot be stored all that the columns hold, but no content', () => {
    const properties = { 'tpc-key': 'k', 'tpc-producer': 'P', 'tpc-generation': '2', 'tpc-content-type': 'text/plain', 'tpc-h-a': '1' };
    expect(decide(properties, { body: Buffer.alloc(11) })).toMatchObject({
      kind: 'tombstone',
      row: { messageKey: 'k', generation: 2, producerGroup: 'P', topic: 'T', tag: 'A', body: undefined, contentType: '', headers: {} },
    });
  });

  it('takes a body of exactly the limit and makes a tombstone without content of a larger one', () => {
    expect(decide({ 'tpc-key': 'k' }, { body: Buffer.alloc(10) }).kind).toBe('store');
    expect(decide({ 'tpc-key': 'k' }, { body: Buffer.alloc(11) })).toMatchObject({
      kind: 'tombstone',
      reason: 'TOO_LARGE',
      row: { body: undefined },
    });
  });

  it('never loses a message for a trace context that does not fit', () => {
    expect(decide({ 'tpc-key': 'k', traceparent: 'x'.repeat(65), tracestate: 'y'.repeat(513) })).toMatchObject({
      kind: 'store',
      row: { traceparent: '', tracestate: '' },
    });
  });

  it('keeps the key of a message whose topic does not fit', () => {
    expect(decide({ 'tpc-key': 'k' }, { topic: 't'.repeat(65) })).toMatchObject({ kind: 'tombstone', row: { messageKey: 'k', topic: '', tag: 'A' } });
  });
});
