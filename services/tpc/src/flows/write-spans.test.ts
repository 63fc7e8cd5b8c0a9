import { SpanKind } from '@opentelemetry/api';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { traceTo } from '@tpc/platform';
import { afterEach, describe, expect, it } from 'vitest';
import { MessageState } from '../domain/states.ts';
import type { PublishItem, SaveItem } from '../store/store-types.ts';
import { endPublishSpan, publishSpan } from './publish-spans.ts';
import { keptAlong, traceWrites } from './write-spans.ts';
import type { Traced, Writes } from './writes.ts';

const exporter = new InMemorySpanExporter();
const { messages } = traceTo('tpc', new SimpleSpanProcessor({ exporter }));
const spans = () => exporter.getFinishedSpans();
afterEach(() => exporter.reset());

const stored = (flags: string) => `00-${'a'.repeat(32)}-${'b'.repeat(16)}-${flags}`;
const content = (traceparent: string) => ({
  topic: 'T',
  tag: 'A',
  body: Buffer.from('b'),
  contentType: '',
  headers: {},
  traceparent,
  tracestate: '',
});
const saveItem = (traceparent: string): SaveItem => ({ producerGroup: 'P', storeId: '', messageKey: 'k', content: content(traceparent) });

/** Traced writes, and what reached the ones below them. */
function bench(answer: object) {
  const taken: Traced<SaveItem>[] = [];
  const save = async (item: Traced<SaveItem>) => {
    taken.push(item);
    return answer as never;
  };
  return { writes: traceWrites({ save, confirm: async () => answer as never } as unknown as Writes, { messages, database: 'sqlite' }), taken };
}

const PREPARED = { state: MessageState.WAITING_CONFIRM };

describe('a write of a message', () => {
  it('stands below the call where that is part of the message’s trace, else below the message', async () => {
    const { writes } = bench(PREPARED);
    const call = { traceparent: `00-${'a'.repeat(32)}-${'c'.repeat(16)}-01`, tracestate: '' };
    await writes.save({ ...saveItem(stored('01')), call }, Number.POSITIVE_INFINITY);
    await writes.save(saveItem(stored('01')), Number.POSITIVE_INFINITY);
    const elsewhere = { traceparent: `00-${'d'.repeat(32)}-${'c'.repeat(16)}-01`, tracestate: '' };
    await writes.save({ ...saveItem(stored('01')), call: elsewhere }, Number.POSITIVE_INFINITY);
    expect(spans().map((span) => [span.name, span.parentSpanContext?.spanId])).toEqual([
      ['T prepare', 'c'.repeat(16)],
      ['T prepare', 'b'.repeat(16)],
      ['T prepare', 'b'.repeat(16)],
    ]);
  });

  it('begins a trace where the message brings none, and stores its context with the message', async () => {
    const { writes, taken } = bench(PREPARED);
    await writes.save(saveItem(''), Number.POSITIVE_INFINITY);
    const [created, prepared] = spans();
    expect([created?.name, prepared?.name]).toEqual(['T create', 'T prepare']);
    expect(prepared?.parentSpanContext?.spanId).toBe(created?.spanContext().spanId);
    expect(taken[0]?.content.traceparent).toContain(created?.spanContext().spanId);
  });

  it.each([
    [{ refused: 'NO_SUBSCRIBER' }, 'NO_SUBSCRIBER'],
    [{ state: MessageState.DEAD }, 'DEAD'],
  ])('is kept where the edge did not keep the trace, when it ends badly: %o', async (answer, failure) => {
    const { writes } = bench(answer);
    const call = { traceparent: stored('00'), tracestate: '' };
    await writes.confirm({ producerGroup: 'P', messageKey: 'k', call }, Number.POSITIVE_INFINITY);
    expect(spans().map((span) => span.attributes['error.type'])).toEqual([failure]);
  });

  it('leaves no span otherwise', async () => {
    await bench(PREPARED).writes.save(saveItem(stored('00')), Number.POSITIVE_INFINITY);
    expect(spans()).toEqual([]);
  });
});

describe('a publish', () => {
  const order = (flags: string): PublishItem => ({
    messageId: 1,
    messageKey: 'k',
    producerGroup: 'P',
    generation: 1,
    attempts: 0,
    content: content(stored(flags)),
  });

  it('that repeats is linked to the first one, in whatever process that was', () => {
    for (const repeats of [false, true, true])
      endPublishSpan(publishSpan(messages, { ...order('01'), repeats }), { ok: true, brokerMessageId: 'broker-1' });
    const [first, ...more] = spans();
    expect(first?.links).toEqual([]);
    for (const span of more) expect(span.links.map(({ context }) => context.spanId)).toEqual([first?.spanContext().spanId]);
    expect(new Set(spans().map((span) => span.spanContext().spanId)).size).toBe(3);
    expect(spans().map(({ kind }) => kind)).toEqual([SpanKind.PRODUCER, SpanKind.PRODUCER, SpanKind.PRODUCER]);
  });

  it('is kept where the edge did not keep the trace, when it repeats or fails', () => {
    endPublishSpan(publishSpan(messages, order('00')), { ok: true, brokerMessageId: 'b' });
    expect(spans()).toEqual([]);
    endPublishSpan(publishSpan(messages, { ...order('00'), repeats: true }), { ok: true, brokerMessageId: 'b' });
    endPublishSpan(publishSpan(messages, order('00')), undefined);
    endPublishSpan(publishSpan(messages, order('00')), { ok: false, permanent: false, reason: 'away' });
    endPublishSpan(publishSpan(messages, order('00')), { ok: false, permanent: true, reason: 'bad' });
    expect(spans().map((span) => span.attributes['error.type'])).toEqual([undefined, 'LEASE_LOST', 'BROKER_UNAVAILABLE', 'BROKER_REFUSED']);
  });

  it('is kept when the call that asks for it is', () => {
    const trace = publishSpan(messages, order('01')).context;
    const [item] = keptAlong([{ messageKey: 'k', trace }], [order('00')]);
    expect(item?.content.traceparent).toBe(stored('01'));
    expect(keptAlong([{ messageKey: 'k' }], [order('00')])[0]?.content.traceparent).toBe(stored('00'));
  });
});
