import { randomBytes } from 'node:crypto';

const EPOCH_SECONDS = Date.UTC(2021, 0, 1) / 1000;

/**
 * Makes RocketMQ 5 message ids: version 01, six bytes of the machine, two of the process, seconds since 2021, a sequence; 34 hex digits.
 * The machine's bytes are random ones per process and not its MAC address: containers share addresses and process ids.
 */
export function createMessageIdFactory(now: () => number = Date.now, machine: Buffer = randomBytes(6)): () => string {
  let sequence = 0;
  const id = Buffer.alloc(17);
  id.writeUInt8(1, 0);
  machine.copy(id, 1, 0, 6);
  id.writeUInt16BE(process.pid & 0xffff, 7);
  return () => {
    id.writeUInt32BE(Math.floor(now() / 1000 - EPOCH_SECONDS) >>> 0, 9);
    id.writeUInt32BE(sequence, 13);
    sequence = (sequence + 1) >>> 0;
    return id.toString('hex').toUpperCase();
  };
}
