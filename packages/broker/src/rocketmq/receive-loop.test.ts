import { describe, expect, it, vi } from 'vitest';
import { SILENT_LOGGER } from './connection.ts';
import { ReceiveLoop, type ReceiveSession } from './receive-loop.ts';

const target = { brokerName: 'b' };

/** A loop at a broker that never has a message; each poll ends when the test says so. */
function loopAt(beforeReceive: (topic: string) => Promise<void>) {
  const ending = new AbortController();
  let endPoll = () => {};
  const client = { targets: async () => [target], receive: () => new Promise((resolve) => (endPoll = () => resolve([]))) };
  const session = { client, log: SILENT_LOGGER, receive: {}, onBatch: async () => undefined, beforeReceive, ending: ending.signal };
  const loop = new ReceiveLoop(session as unknown as ReceiveSession, 'T', 'b', () => undefined);
  return { loop, endPoll: () => endPoll(), end: () => ending.abort() };
}

describe('a receive loop', () => {
  it('is empty while it waits in a poll after one that brought nothing', async () => {
    const beforeReceive = vi.fn().mockResolvedValue(undefined);
    const { loop, endPoll, end } = loopAt(beforeReceive);
    await vi.waitFor(() => {
      endPoll();
      expect(beforeReceive.mock.calls.length).toBeGreaterThan(1);
    });
    await vi.waitFor(() => expect(loop.empty).toBe(true));
    end();
    endPoll();
    await loop.ended;
  });

  it('is not empty while it must not poll, since messages may wait at the broker meanwhile', async () => {
    const closed = Promise.withResolvers<void>();
    const beforeReceive = vi.fn().mockResolvedValueOnce(undefined).mockReturnValue(closed.promise);
    const { loop, endPoll, end } = loopAt(beforeReceive);
    await vi.waitFor(() => {
      endPoll();
      expect(beforeReceive).toHaveBeenCalledTimes(2);
    });
    expect(beforeReceive).toHaveBeenLastCalledWith('T');
    expect(loop.empty).toBe(false);
    end();
    await loop.ended;
  });
});
