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
    ['a content type that does not fit', { 'tpc-key': 'k', 'tpc-content-type': 'x'.repeat(129) }, { kind: 'stub', reason: 'UNSTORABLE' }],
    ['headers that do not fit', { 'tpc-key': 'k', 'tpc-h-a': 'x'.repeat(60_001) }, { kind: 'stub', reason: 'UNSTORABLE', row: { headers: {} } }],
  ])('%s', (_name, properties, expected) => {
    expect(decide(properties as Record<string, string>)).toMatchObject(expected);
  });

  it('takes a body of exactly the limit and makes a stub without content of a larger one', () => {
    expect(decide({ 'tpc-key': 'k' }, { body: Buffer.alloc(10) }).kind).toBe('store');
    expect(decide({ 'tpc-key': 'k' }, { body: Buffer.alloc(11) })).toMatchObject({ kind: 'stub', reason: 'TOO_LARGE', row: { body: undefined } });
  });

  it('never loses a message for a trace context that does not fit', () => {
    expect(decide({ 'tpc-key': 'k', traceparent: 'x'.repeat(65), tracestate: 'y'.repeat(513) })).toMatchObject({
      kind: 'store',
      row: { traceparent: '', tracestate: '' },
    });
  });

  it('keeps the key of a message whose topic does not fit', () => {
    expect(decide({ 'tpc-key': 'k' }, { topic: 't'.repeat(65) })).toMatchObject({ kind: 'stub', row: { messageKey: 'k', topic: '', tag: 'A' } });
  });
});
