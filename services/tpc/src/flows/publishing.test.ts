import type { OutgoingBrokerMessage, PublishOutcome } from '@tpc/broker';
import { createLog } from '@tpc/platform';
import { describe, expect, it, vi } from 'vitest';
import type { PublishItem, PublishResult, RedeliveryResult } from '../store/store-types.ts';
import { toBrokerMessage } from './publish-order.ts';
import { createPublishing } from './publishing.ts';

const log = createLog({ service: 'test', level: 'silent', format: 'json' });
const LEASE_MS = 10_000;

const item = (messageId: number): PublishItem => ({
  messageId,
  messageKey: `P:${messageId}`,
  producerGroup: 'P',
  generation: 1,
  attempts: 0,
  content: { topic: 'T', tag: 'A', body: Buffer.from('b'), contentType: 'text/plain', headers: { h: '1' }, traceparent: '', tracestate: '' },
});

/** Publishing on a broker and a store whose behaviour the test decides. */
function bench(outcomeOf: (message: OutgoingBrokerMessage) => PublishOutcome = () => ({ ok: true, brokerMessageId: 'b' })) {
  const clock = { now: 0 };
  const published: OutgoingBrokerMessage[] = [];
  const recorded: { token: number; result: PublishResult | RedeliveryResult }[] = [];
  const failures: unknown[] = [];
  const take = async (token: number, results: readonly PublishResult[]) => {
    if (failures.length > 0) throw failures.shift();
    for (const result of results) recorded.push({ token, result });
    return results.length;
  };
  const store = { recordPublishResults: vi.fn(take), recordRedeliveryResults: vi.fn(take) };
  const broker = {
    state: () => ({ connected: true, error: '', since: 0 }),
    publish: async (messages: readonly OutgoingBrokerMessage[]) => {
      published.push(...messages);
      return messages.map(outcomeOf);
    },
  };
  const publishing = createPublishing({ store, broker, log, leaseMs: LEASE_MS, now: () => clock.now });
  return { clock, published, recorded, failures, store, publishing };
}

describe('publishing', () => {
  it('publishes what was claimed and records it under the token of its claim', async () => {
    const { publishing, published, recorded } = bench();
    const claim = publishing.newClaim();
    publishing.publish(claim, [item(1), item(2)]);
    await publishing.close();
    expect(published.map(({ keys }) => keys)).toEqual([['P:1'], ['P:2']]);
    expect(recorded).toEqual([1, 2].map((messageId) => ({ token: claim.token, result: { messageId, attempts: 0, outcome: 'published' } })));
  });

  it('sends nothing when the lease ran out while it waited, so that no two replicas send it', async () => {
    const { publishing, published, recorded, clock } = bench();
    const claim = publishing.newClaim();
    clock.now = LEASE_MS - 1;
    publishing.publish(claim, [item(1)]);
    await publishing.close();
    expect([published, recorded]).toEqual([[], []]);
  });

  it('tells the broker’s adapter until when each message may be sent, so that one that waits there goes out under no lost lease', async () => {
    const { publishing, published, clock } = bench();
    publishing.publish(publishing.newClaim(), [item(1)]);
    clock.now = 1_000;
    publishing.publish(publishing.newClaim(), [item(2)]);
    await publishing.close();
    const [first, second] = published.map(({ sendBefore }) => sendBefore as number);
    expect(first).toBeLessThan(LEASE_MS);
    expect(second).toBe((first as number) + 1_000);
  });

  it('gives back what the broker does not take now, and names what it refuses for good', async () => {
    const { publishing, recorded } = bench(({ keys }) => ({ ok: false, permanent: keys[0] === 'P:2', reason: 'why' }));
    publishing.publish(publishing.newClaim(), [item(1), item(2)]);
    await publishing.close();
    expect(recorded.map(({ result }) => result.outcome)).toEqual(['retry', 'refused']);
    expect(recorded[1]?.result).toMatchObject({ detail: 'why' });
  });

  it('gathers the outcomes of several confirms into one write', async () => {
    const { publishing, store } = bench();
    for (let round = 0; round < 5; round++) publishing.publish(publishing.newClaim(), [item(round)]);
    await publishing.close();
    expect(store.recordPublishResults).toHaveBeenCalledTimes(1);
  });

  it('names the group of a redelivery, and records it on its copy', async () => {
    const { publishing, published, store } = bench();
    publishing.publish(publishing.newClaim(), [{ ...item(1), consumerGroup: 'CID_OPC' }]);
    await publishing.close();
    expect(published[0]?.properties['tpc-only-group']).toBe('CID_OPC');
    expect(store.recordRedeliveryResults).toHaveBeenCalledWith(expect.any(Number), [
      { messageId: 1, attempts: 0, consumerGroup: 'CID_OPC', outcome: 'published' },
    ]);
    expect(store.recordPublishResults).not.toHaveBeenCalled();
  });

  it('records an outcome later when the database is away, as long as the lease lasts', async () => {
    const { publishing, recorded, failures } = bench();
    failures.push({ code: 'ECONNREFUSED' });
    publishing.publish(publishing.newClaim(), [item(1)]);
    await vi.waitFor(() => expect(recorded).toHaveLength(1));
  });

  it('does not wait for an absent database when it closes', async () => {
    const { publishing, recorded, failures } = bench();
    failures.push({ code: 'ECONNREFUSED' });
    publishing.publish(publishing.newClaim(), [item(1)]);
    await publishing.close();
    expect(recorded).toEqual([]);
  });

  it('says everything about a message that its consumers need', () => {
    const { content, ...rest } = item(1);
    const message = toBrokerMessage({ ...rest, generation: 3, content: { ...content, traceparent: '00-a-b-01' } });
    expect(message).toEqual({
      topic: 'T',
      tag: 'A',
      keys: ['P:1'],
      body: Buffer.from('b'),
      properties: {
        'tpc-key': 'P:1',
        'tpc-producer': 'P',
        'tpc-generation': '3',
        'tpc-content-type': 'text/plain',
        'tpc-h-h': '1',
        traceparent: '00-a-b-01',
      },
    });
  });
});
