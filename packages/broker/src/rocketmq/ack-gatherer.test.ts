import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { AckGatherer, type Acknowledger } from './ack-gatherer.ts';
import { SILENT_LOGGER } from './connection.ts';
import type { Target } from './linked-client.ts';
import type { Delivery } from './receiving-client.ts';

const TARGET = { endpoints: { facade: 'broker:1' } } as Target;
const deliveries = (...handles: string[]): Delivery[] => handles.map((receiptHandle) => ({ receiptHandle, message: {} as Delivery['message'] }));

type Answer = Awaited<ReturnType<Acknowledger['acknowledge']>>;
const fine = (handles: string[]): Answer => ({ code: 20000, text: '', entries: handles.map((messageId) => ({ messageId, code: 20000, text: '' })) });

function acknowledger(decide: (handles: string[], request: number) => Answer): Acknowledger & { requests: string[][] } {
  const requests: string[][] = [];
  return {
    requests,
    acknowledge: async (_target, _topic, parts) => {
      const handles = parts.map(({ receiptHandle }) => receiptHandle);
      requests.push(handles);
      return decide(handles, requests.length);
    },
  };
}

describe('acknowledgements', () => {
  it('of several batches leave in one request per topic', async () => {
    const client = acknowledger((handles) => fine(handles));
    const acks = new AckGatherer(client, 30_000, SILENT_LOGGER);
    acks.add(TARGET, 'T', deliveries('a', 'b'));
    acks.add(TARGET, 'T', deliveries('c'));
    acks.add(TARGET, 'U', deliveries('d'));
    await acks.drain();
    expect(client.requests).toEqual([['a', 'b', 'c'], ['d']]);
  });

  it('are repeated when the broker was away for a moment', async () => {
    const client = acknowledger((handles, request) => {
      if (request === 1) throw Object.assign(new Error('away'), { code: status.UNAVAILABLE });
      return fine(handles);
    });
    const acks = new AckGatherer(client, 30_000, SILENT_LOGGER);
    acks.add(TARGET, 'T', deliveries('a'));
    await acks.drain();
    expect(client.requests).toEqual([['a'], ['a']]);
  });

  it('go singly when one handle makes the broker refuse the whole request', async () => {
    const client = acknowledger((handles) => (handles.includes('bad') ? { code: 50001, text: 'malformed', entries: [] } : fine(handles)));
    const acks = new AckGatherer(client, 30_000, SILENT_LOGGER);
    acks.add(TARGET, 'T', deliveries('a', 'bad', 'c'));
    await acks.drain();
    expect(client.requests).toEqual([['a', 'bad', 'c'], ['a'], ['bad'], ['c']]);
  });

  it('are not repeated when they came too late: the message is on its way again', async () => {
    const client = acknowledger((handles) => ({
      code: 40013,
      text: 'late',
      entries: handles.map((messageId) => ({ messageId, code: 40013, text: 'late' })),
    }));
    const acks = new AckGatherer(client, 30_000, SILENT_LOGGER);
    acks.add(TARGET, 'T', deliveries('a'));
    await acks.drain();
    expect(client.requests).toEqual([['a']]);
  });
});
