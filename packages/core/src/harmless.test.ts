import { createNoopMeter, INVALID_SPAN_CONTEXT, type Meter, ROOT_CONTEXT, type Span, SpanKind, type Tracer, trace } from '@opentelemetry/api';
import { describe, expect, it } from 'vitest';
import { harmlessLog } from './harmless-log.ts';
import { harmlessMeter } from './harmless-meter.ts';
import { endSpan, inSpan, MessageTracer } from './tracing/message-tracer.ts';
import { contextOf, NO_STORED_TRACE, storedTraceOf } from './tracing/trace-context.ts';

const fail = (): never => {
  throw new Error('telemetry is broken');
};
/** Every property of it is a function that throws, but for those that are given. */
const throwing = <T extends object>(given: Partial<T> = {}) => new Proxy(given as T, { get: (it, name) => it[name as keyof T] ?? fail });

const kept = { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, tracestate: '' };
const parent = contextOf(kept) ?? ROOT_CONTEXT;
const message = { messageKey: 'k', topic: 'T' };

describe('a tracer that throws', () => {
  it('when it starts a span leaves the trace as it was', async () => {
    const tracing = new MessageTracer(throwing<Tracer>());
    const began = tracing.begin('x', SpanKind.SERVER);
    expect(storedTraceOf(began.spanContext())).toEqual(NO_STORED_TRACE);
    const below = [
      tracing.start('x', SpanKind.CLIENT, parent, {}),
      tracing.startMessage('publish', message, { kind: SpanKind.PRODUCER, parent: kept }),
      tracing.startBatch('x', SpanKind.CLIENT, [parent, parent], {}),
    ];
    for (const span of below) expect(storedTraceOf(span?.spanContext() ?? INVALID_SPAN_CONTEXT)).toEqual(kept);
    for (const span of below) endSpan(span, 'X');
  });

  it('in whatever one does with its spans is harmless', async () => {
    const span = throwing<Span>({ spanContext: () => ({ traceId: 'a'.repeat(32), spanId: 'c'.repeat(16), traceFlags: 1 }) });
    const tracing = new MessageTracer({ startSpan: () => span } as unknown as Tracer);
    const made = tracing.begin('x', SpanKind.SERVER);
    expect(made.isRecording()).toBe(false);
    made.setAttributes({ a: 1 }).setAttribute('a', 1).addEvent('e').addLinks([]).updateName('y').recordException('e');
    endSpan(made, 'X');
    expect(await inSpan(tracing.begin('x', SpanKind.SERVER), async () => 'done')).toBe('done');
    const [one, other] = [trace.setSpan(ROOT_CONTEXT, made), trace.setSpan(ROOT_CONTEXT, made)];
    endSpan(tracing.startBatch('x', SpanKind.CLIENT, [one, other], {}));
  });
});

describe('a meter that throws', () => {
  it.each([
    ['as soon as an instrument is made', throwing<Meter>()],
    [
      'when an instrument is used',
      { ...createNoopMeter(), createCounter: () => throwing(), createHistogram: () => throwing(), createGauge: () => throwing() } as unknown as Meter,
    ],
  ])('%s is harmless', (_, broken) => {
    const meter = harmlessMeter(broken);
    meter.createCounter('c').add(1);
    meter.createUpDownCounter('u').add(-1);
    meter.createHistogram('h').record(1);
    meter.createGauge('g').record(1);
    const gauge = meter.createObservableGauge('o');
    expect(meter.createObservableCounter('o')).toBeDefined();
    expect(meter.createObservableUpDownCounter('o')).toBeDefined();
    meter.addBatchObservableCallback(() => undefined, [gauge]);
    meter.removeBatchObservableCallback(() => undefined, [gauge]);
  });
});

it('a log that throws is harmless, and one that works gets what is to be shown', () => {
  const broken = harmlessLog(throwing());
  for (const level of ['debug', 'info', 'warn', 'error'] as const) broken[level]({}, 'a line');
  const lines: unknown[] = [];
  const whole = harmlessLog({ debug: fail, info: (fields: object, text: string) => lines.push([fields, text]), warn: fail, error: fail }, () => ({
    shown: 1,
  }));
  whole.info({ hidden: 1 }, 'a line');
  expect(lines).toEqual([[{ shown: 1 }, 'a line']]);
});
