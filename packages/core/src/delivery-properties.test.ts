import { describe, expect, it } from 'vitest';
import { MAX_GENERATION } from './contract/limits.ts';
import { type DeliveryProperties, decodeDeliveryProperties, encodeDeliveryProperties } from './delivery-properties.ts';

const full: DeliveryProperties = {
  messageKey: 'PID_UAC:42',
  producerGroup: 'PID_UAC',
  generation: 3,
  onlyGroup: 'CID_OPC',
  contentType: 'application/json',
  headers: { lang: 'zh', 'x.y': '1', none: '', 'a.b': '' },
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  tracestate: 'a=b',
};
const least: DeliveryProperties = {
  messageKey: 'k',
  producerGroup: 'p',
  generation: 1,
  onlyGroup: undefined,
  contentType: '',
  headers: {},
  traceparent: '',
  tracestate: '',
};

describe('delivery properties', () => {
  it.each([full, least])('read back as written: %o', (delivery) => {
    expect(decodeDeliveryProperties(encodeDeliveryProperties(delivery))).toEqual(delivery);
  });

  it('have names that never change: consumers in any language read them', () => {
    expect(encodeDeliveryProperties(full)).toEqual({
      'tpc-key': 'PID_UAC:42',
      'tpc-producer': 'PID_UAC',
      'tpc-generation': '3',
      'tpc-only-group': 'CID_OPC',
      'tpc-content-type': 'application/json',
      'tpc-h-lang': 'zh',
      'tpc-h-x.y': '1',
      'tpc-empty-headers': 'none,a.b',
      traceparent: full.traceparent,
      tracestate: 'a=b',
    });
  });

  it('are read where only the key is there, with foreign ones beside it', () => {
    expect(decodeDeliveryProperties({ 'tpc-key': 'k', 'x-tpc-h-a': '1', other: '2' })).toEqual({ ...least, producerGroup: '' });
  });

  it.each([
    [1, 1],
    [MAX_GENERATION, MAX_GENERATION],
    [MAX_GENERATION + 1, undefined],
    ['01', undefined],
    ['-1', undefined],
    ['1.0', undefined],
    ['x1', undefined],
    ['1x', undefined],
  ])('have a generation that is a whole number within the limits: %s is read as %s', (generation, read) => {
    expect(decodeDeliveryProperties({ 'tpc-key': 'k', 'tpc-generation': String(generation) })?.generation).toBe(read);
  });

  it('leave out what has its default', () => {
    expect(encodeDeliveryProperties(least)).toStrictEqual({ 'tpc-key': 'k', 'tpc-producer': 'p' });
  });

  it('have no empty value, which RocketMQ would drop', () => {
    expect(Object.values(encodeDeliveryProperties(full))).not.toContain('');
  });

  it.each([{}, { 'tpc-key': '' }, { 'tpc-key': 'k', 'tpc-generation': '0' }, { 'tpc-key': 'k', 'tpc-generation': 'x' }])(
    'of a message that TPC did not publish are not taken: %o',
    (properties) => {
      expect(decodeDeliveryProperties(properties as Record<string, string>)).toBeUndefined();
    },
  );
});
