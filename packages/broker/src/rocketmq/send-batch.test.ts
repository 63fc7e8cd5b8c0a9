import { status } from '@grpc/grpc-js';
import definition from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import service from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';
import { describe, expect, it } from 'vitest';
import type { Target } from './linked-client.ts';
import { type Sendable, type Sender, sendBatch } from './send-batch.ts';

const { Code } = definition;
const LATE = { ok: false, permanent: false, reason: expect.stringContaining('waited') };
const batchOf = (...ids: string[]): Sendable[] =>
  ids.map((id) => ({ id, message: { topic: 'T', tag: '', keys: [], body: Buffer.from(id), properties: {} } }));

function answer(code: number, entryCodes: number[] = [code]) {
  const toStatus = (value: number) => new definition.Status().setCode(value as 20000).setMessage('said the broker');
  const entries = entryCodes.map((each) => new service.SendResultEntry().setStatus(toStatus(each)));
  return new service.SendMessageResponse().setStatus(toStatus(code)).setEntriesList(entries);
}

/** A broker that decides by the ids in a request; keeps the requests. */
function sender(decide: (ids: string[]) => ReturnType<typeof answer> | Error): Sender & { requests: string[][]; forgotten: string[] } {
  const requests: string[][] = [];
  const forgotten: string[] = [];
  return {
    requests,
    forgotten,
    targets: async () => [{} as Target],
    forgetRoute: (topic) => void forgotten.push(topic),
    send: async (_target, batch) => {
      const ids = batch.map(({ id }) => id);
      requests.push(ids);
      const decided = decide(ids);
      if (decided instanceof Error) throw decided;
      return decided;
    },
  };
}

describe('sendBatch', () => {
  it('does not send what has waited beyond its time, and sends the rest', async () => {
    const broker = sender(() => answer(Code.OK));
    const [early, late, free] = batchOf('early', 'late', 'free') as [Sendable, Sendable, Sendable];
    early.message.sendBefore = performance.now() + 60_000;
    late.message.sendBefore = performance.now();
    expect(await sendBatch(broker, 'T', [late, early, free, late])).toEqual({
      outcomes: [LATE, { ok: true, brokerMessageId: 'early' }, { ok: true, brokerMessageId: 'free' }, LATE],
      unreachable: undefined,
    });
    expect((await sendBatch(broker, 'T', [late])).outcomes).toEqual([LATE]);
    expect(broker.requests).toEqual([['early', 'free']]);
  });

  it('sends a good batch in one request and answers each with its own id', async () => {
    const broker = sender(() => answer(Code.OK));
    const { outcomes } = await sendBatch(broker, 'T', batchOf('a', 'b'));
    expect(outcomes).toEqual([
      { ok: true, brokerMessageId: 'a' },
      { ok: true, brokerMessageId: 'b' },
    ]);
    expect(broker.requests).toEqual([['a', 'b']]);
  });

  it('sends each alone after a refusal about content, and only the bad one fails for ever', async () => {
    const broker = sender((ids) => answer(ids.includes('bad') ? Code.ILLEGAL_MESSAGE_TAG : Code.OK));
    const { outcomes, unreachable } = await sendBatch(broker, 'T', batchOf('a', 'bad', 'c'));
    expect(outcomes).toEqual([
      { ok: true, brokerMessageId: 'a' },
      { ok: false, permanent: true, reason: 'ILLEGAL_MESSAGE_TAG (40004) said the broker' },
      { ok: true, brokerMessageId: 'c' },
    ]);
    expect(unreachable).toBeUndefined();
  });

  it('finds by halves the one message that the broker answers with an internal error', async () => {
    const broker = sender((ids) => answer(ids.includes('bad') ? Code.INTERNAL_SERVER_ERROR : Code.OK));
    const { outcomes } = await sendBatch(broker, 'T', batchOf('a', 'b', 'c', 'bad', 'e', 'f', 'g', 'h'));
    expect(outcomes.map(({ ok }) => ok)).toEqual([true, true, true, false, true, true, true, true]);
    expect(outcomes[3]).toMatchObject({ permanent: false });
  });

  it('does not ask a broken broker for each message', async () => {
    const broker = sender(() => answer(Code.INTERNAL_SERVER_ERROR));
    const { outcomes } = await sendBatch(broker, 'T', batchOf('a', 'b', 'c', 'd'));
    expect(outcomes.every((outcome) => !outcome.ok && !outcome.permanent)).toBe(true);
    expect(broker.requests.length).toBe(3);
  });

  it('tries again later, and asks for the route anew, when the topic is gone', async () => {
    const broker = sender(() => answer(Code.TOPIC_NOT_FOUND));
    const { outcomes } = await sendBatch(broker, 'T', batchOf('a', 'b'));
    expect(outcomes).toMatchObject([
      { ok: false, permanent: false },
      { ok: false, permanent: false },
    ]);
    expect(broker.requests.length).toBe(1);
    expect(broker.forgotten).toEqual(['T']);
  });

  it('stops asking when the broker goes away between two messages', async () => {
    let requests = 0;
    const broker = sender((ids) => {
      requests += 1;
      if (ids.length > 1) return answer(Code.ILLEGAL_MESSAGE_TAG);
      return requests === 2 ? answer(Code.OK) : Object.assign(new Error('gone'), { code: status.UNAVAILABLE });
    });
    const { outcomes, unreachable } = await sendBatch(broker, 'T', batchOf('a', 'b', 'c', 'd'));
    expect(outcomes.map(({ ok }) => ok)).toEqual([true, false, false, false]);
    expect(unreachable).toContain('gone');
    expect(broker.requests.length).toBe(3);
  });

  it('counts every message by itself when the broker answers with an entry for each', async () => {
    const broker = sender(() => answer(Code.MULTIPLE_RESULTS, [Code.OK, Code.MESSAGE_BODY_TOO_LARGE]));
    const { outcomes } = await sendBatch(broker, 'T', batchOf('a', 'b'));
    expect(outcomes).toMatchObject([{ ok: true }, { ok: false, permanent: true }]);
  });
});
