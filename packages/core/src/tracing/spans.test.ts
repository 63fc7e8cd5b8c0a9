import { type Context, type ContextManager, context as contexts, ROOT_CONTEXT, type Span, SpanKind, type Tracer, trace } from '@opentelemetry/api';
import { expect, it } from 'vitest';
import { harmlessTracer } from './harmless-tracer.ts';
import { MessageSpan } from './message-span.ts';
import { MessageTracer, statementsAreTracedByHand, statementsUnderSpan } from './message-tracer.ts';
import { SpanInEach } from './span-in-each.ts';
import { contextOf } from './trace-context.ts';

const DONE: [keyof Span, unknown[]][] = [
  ['setAttribute', ['a', 1]],
  ['setAttributes', [{ a: 1 }]],
  ['addEvent', ['e', { a: 1 }, 7]],
  ['addLink', [{ context: {} }]],
  ['addLinks', [[{ context: {} }]]],
  ['setStatus', [{ code: 2 }]],
  ['updateName', ['n']],
  ['end', [7]],
  ['recordException', [new Error('x'), 7]],
];

/** A span that writes down what is done to it. */
function recording(spanId: string, traceId = 'a'.repeat(32)) {
  const calls: unknown[][] = [];
  const own = { spanContext: () => ({ traceId, spanId, traceFlags: 1 }), isRecording: () => spanId === 'first' };
  const get = (_: unknown, name: string) => (name in own ? own[name as keyof typeof own] : (...given: unknown[]) => calls.push([name, ...given]));
  return { calls, span: new Proxy({}, { get }) as Span };
}

const call = (span: Span, name: keyof Span, given: unknown[]) => (span[name] as (...given: unknown[]) => unknown)(...given);

it('what is done to a span in several traces is done in each of them, and it is known by the first', () => {
  const [first, second] = [recording('first'), recording('second')];
  const span = new SpanInEach(first.span, [second.span]);
  for (const [name, given] of DONE) expect([undefined, span]).toContain(call(span, name, given));
  const done = DONE.map(([name, given]) => [name, ...given]);
  expect([first.calls, second.calls]).toEqual([done, done]);
  expect([span.spanContext().spanId, span.isRecording()]).toEqual(['first', true]);
});

it('what is done to a span whose errors are dropped is done to the span', () => {
  const { calls, span } = recording('first');
  const harmless = harmlessTracer({ startSpan: () => span }).startSpan('x', {}, ROOT_CONTEXT);
  for (const [name, given] of DONE) expect([undefined, harmless]).toContain(call(harmless, name, given));
  expect(calls).toEqual(DONE.map(([name, given]) => [name, ...given]));
});

const contextIn = (id: string, flags = '01') =>
  contextOf({ traceparent: `00-${id.repeat(32)}-${id.repeat(16)}-${flags}`, tracestate: '' }) as Context;

/** A step for some messages, and what spans were made of it: their trace, and what tells them apart. */
function stepOf(of: readonly (Context | undefined)[]) {
  const made: { trace: string | undefined; attributes: object; links: number }[] = [];
  const startSpan: Tracer['startSpan'] = (_name, options = {}, context = ROOT_CONTEXT) => {
    const traceId = trace.getSpanContext(context)?.traceId;
    expect(options.kind).toBe(SpanKind.CLIENT);
    made.push({ trace: traceId?.[0], attributes: options.attributes ?? {}, links: options.links?.length ?? 0 });
    return recording(`${made.length}`, traceId).span;
  };
  const span = new MessageTracer({ startSpan } as Tracer).startStep('x', SpanKind.CLIENT, of, { a: 1 });
  return { span, made };
}

it('a step for few messages stands in the trace of each that is kept, once, and the copies say that they are copies', () => {
  const of = [contextIn('a'), contextIn('b'), contextIn('b'), contextIn('c', '00')];
  expect(stepOf(of).made).toEqual([
    { trace: 'a', attributes: { a: 1 }, links: 3 },
    { trace: 'b', attributes: { a: 1, 'tpc.copy': true }, links: 1 },
  ]);
  expect(stepOf(of).span).toBeInstanceOf(SpanInEach);
});

it.each([
  ['for none that is kept', [undefined, contextIn('c', '00')], 0],
  ['for one message', [contextIn('a')], 1],
  ['within one trace', [contextIn('a'), contextIn('a')], 1],
  ['for four messages', [...'1234'].map((id) => contextIn(id)), 4],
  ['for five messages', [...'12345'].map((id) => contextIn(id)), 1],
])('a step %s is that many spans', (_what, of, spans) => {
  expect(stepOf(of).made).toHaveLength(spans);
});

it('work under a span for its statements is told that these get no spans of their own, and goes on under that span', async () => {
  let active = ROOT_CONTEXT;
  const during = <T>(context: Context, work: () => T): T => {
    const before = active;
    active = context;
    const result = work();
    active = before;
    return result;
  };
  const manager = { active: () => active, with: during, bind: <T>(_: Context, target: T) => target, enable: () => manager, disable: () => manager };
  contexts.setGlobalContextManager(manager as unknown as ContextManager);
  try {
    const { span } = recording('first');
    const tracing = new MessageTracer({ startSpan: () => span } as unknown as Tracer);
    const under = () => trace.getSpan(active)?.spanContext().spanId;
    const seen = async () => [statementsAreTracedByHand(active), under()];
    const options = { attributes: {}, of: [contextIn('a')] };
    expect(await statementsUnderSpan(tracing, options, seen)).toEqual([true, 'first']);
    expect(await statementsUnderSpan(tracing, { ...options, of: [] }, seen)).toEqual([true, undefined]);
    expect(await statementsUnderSpan(undefined, options, seen)).toEqual([false, undefined]);
    const message = new MessageSpan(tracing, 'process', { messageKey: 'k', topic: 'T' }, { kind: SpanKind.CONSUMER, parent: contextIn('a') });
    expect(message.run(under)).toBe('first');
  } finally {
    contexts.disable();
  }
});
