import { describe, expect, it } from 'vitest';
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

  it('leave out what has its default', () => {
    expect(encodeDeliveryProperties(least)).toEqual({ 'tpc-key': 'k', 'tpc-producer': 'p' });
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
