import { describe, expect, it } from 'vitest';
import { createMessageIdFactory } from './message-id.ts';

describe('message ids', () => {
  it('have the form of RocketMQ 5: version, machine, process, seconds since 2021, sequence', () => {
    const nextId = createMessageIdFactory(() => Date.UTC(2021, 0, 1, 0, 1), Buffer.from('0a0b0c0d0e0f', 'hex'));
    const processId = (process.pid & 0xffff).toString(16).padStart(4, '0').toUpperCase();
    expect(nextId()).toBe(`010A0B0C0D0E0F${processId}0000003C00000000`);
    expect(nextId()).toBe(`010A0B0C0D0E0F${processId}0000003C00000001`);
  });

  it('differ between two publishers of one process', () => {
    expect(createMessageIdFactory()()).not.toBe(createMessageIdFactory()());
  });
});
