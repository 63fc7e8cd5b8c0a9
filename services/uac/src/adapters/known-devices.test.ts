import { describe, expect, it } from 'vitest';
import { createKnownDevices } from './known-devices.ts';

describe('known devices', () => {
  const devices = createKnownDevices(Buffer.alloc(32, 1));

  it('are known for the name that they were issued for, and for no other', () => {
    const device = devices.issue('ann');
    expect(devices.deviceOf('ann', device)).toBe(device.split('.')[0]);
    expect(devices.deviceOf('bob', device)).toBeUndefined();
    expect(devices.issue('ann')).not.toBe(device);
  });

  it.each([undefined, '', '.', 'x', 'x.y', `${'x'.repeat(43)}.${'y'.repeat(43)}`])('are not guessed: %j', (shown) => {
    expect(devices.deviceOf('ann', shown)).toBeUndefined();
  });

  it('are those of this service alone', () => {
    expect(createKnownDevices(Buffer.alloc(32, 2)).deviceOf('ann', devices.issue('ann'))).toBeUndefined();
  });
});
