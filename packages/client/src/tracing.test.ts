import { context as contexts, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { MessageTracer } from '@tpc/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { InboxRow } from './consumer/domain/inbox-row.ts';
import { ProcessSpans } from './consumer/handle/process-spans.ts';
import { callUnderSpan, messageTracer } from './tracing.ts';

const exporter = new InMemorySpanExporter();
const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
const tracing = new MessageTracer(provider.getTracer('test'));

beforeEach(() => void contexts.setGlobalContextManager(new AsyncLocalStorageContextManager().enable()));
afterEach(() => {
  exporter.reset();
  trace.disable();
  contexts.disable();
});

const TRACE = 'a'.repeat(32);
const row = (key: string, flags = '01'): InboxRow => ({
  messageKey: key,
  generation: 1,
  producerGroup: 'P',
  brokerMessageId: `broker-${key}`,
  topic: 'T',
  tag: '',
  body: undefined,
  contentType: '',
  headers: {},
  traceparent: `00-${TRACE}-${key.repeat(16)}-${flags}`,
  tracestate: '',
  attempts: 0,
  openEffects: 0,
});

describe('tracing of the library', () => {
  it('is none where the process has no OpenTelemetry SDK', () => {
    expect(messageTracer(undefined)).toBeUndefined();
  });

  it('is that of the registered SDK where it has one', () => {
    trace.setGlobalTracerProvider(provider);
    messageTracer(undefined)?.begin('x', 0).end();
    expect(exporter.getFinishedSpans()).toHaveLength(1);
  });
});

describe('a handler', () => {
  it('runs under the span of its message, which stands below the publish', () => {
    const spans = new ProcessSpans(tracing, 'CID', [row('b')]);
    const active = spans.run(() => trace.getActiveSpan()?.spanContext().spanId);
    spans.end();
    const [only] = exporter.getFinishedSpans();
    expect(only).toMatchObject({ name: 'T process', attributes: { messageKey: 'b', 'messaging.message.id': 'broker-b' } });
    expect([only?.spanContext().spanId, only?.parentSpanContext?.spanId]).toEqual([active, 'b'.repeat(16)]);
  });

  it('of a batch runs under one span, linked with that of each message', () => {
    const spans = new ProcessSpans(
      tracing,
      'CID',
      ['b', 'c', 'd'].map((key) => row(key)),
    );
    const active = spans.run(() => trace.getActiveSpan()?.spanContext().spanId);
    spans.end('BAD');
    const [batch, ...own] = exporter.getFinishedSpans();
    expect(batch?.spanContext().spanId).toBe(active);
    expect(batch?.links.map(({ context }) => context.spanId)).toEqual(own.map((span) => span.spanContext().spanId));
    expect(own.map((span) => [span.attributes.messageKey, span.attributes['error.type']])).toEqual(['b', 'c', 'd'].map((key) => [key, 'BAD']));
  });

  it('runs under no span of another where its trace is not kept', () => {
    const other = tracing.begin('other', 0);
    contexts.with(trace.setSpan(contexts.active(), other), () => {
      new ProcessSpans(tracing, 'CID', [row('b', '00')]).run(() => expect(trace.getActiveSpan()).toBeUndefined());
    });
  });
});

describe('a call', () => {
  it('carries the context of its span in its metadata, and ends that by the outcome', async () => {
    const of = [trace.setSpanContext(contexts.active(), { traceId: TRACE, spanId: 'b'.repeat(16), traceFlags: 1 })];
    const sent = await callUnderSpan(tracing, { method: 'X', of, attributes: {} }, async ({ metadata }) => metadata?.traceparent);
    await expect(callUnderSpan(tracing, { method: 'X', of, attributes: {} }, () => Promise.reject({ status: 'UNAVAILABLE' }))).rejects.toBeDefined();
    const [good, bad] = exporter.getFinishedSpans();
    expect(sent).toBe(`00-${TRACE}-${good?.spanContext().spanId}-01`);
    expect([good, bad].map((span) => span?.attributes['rpc.status_code'])).toEqual(['OK', 'UNAVAILABLE']);
  });

  it('carries nothing where none of its messages is kept', async () => {
    expect(await callUnderSpan(tracing, { method: 'X', of: [undefined], attributes: {} }, async (options) => options)).toEqual({});
  });
});
