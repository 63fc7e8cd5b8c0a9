import { describe, expect, it } from 'vitest';
import { silentLog } from '../../log.ts';
import type { OutboxContent } from '../outbox/content-codec.ts';
import { Background } from './background.ts';
import type { BatchedTpcClient } from './batched-client.ts';
import { Delivery } from './delivery.ts';
import type { TpcAvailability } from './tpc-availability.ts';

const CONTENT = { key: 'UAC:1', topic: 'T', sendType: 'WAIT_CONFIRM' } as OutboxContent;

describe('prepare', () => {
  it('has an outcome within its budget even when the call itself never ends', async () => {
    const lost: unknown[] = [];
    const delivery = new Delivery({
      knex: undefined as never,
      calls: { prepare: () => new Promise(() => {}) } as unknown as BatchedTpcClient,
      availability: { mode: 'online', lost: (error: unknown) => lost.push(error) } as unknown as TpcAvailability,
      background: new Background(silentLog),
      lingerMs: 0,
      firstWaitMs: 0,
      log: silentLog,
      onEvent: () => {},
    });
    expect(await delivery.prepare(CONTENT, 10)).toEqual({ outcome: 'missed' });
    expect(lost).toEqual([undefined]);
  });
});
