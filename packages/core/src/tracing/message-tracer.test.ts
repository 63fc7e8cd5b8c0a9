import {
  type Attributes,
  type Context,
  type Link,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { describe, expect, it } from 'vitest';
import { MessageSpan } from './message-span.ts';
import { endSpan, errorTypeOf, inSpan, linkTo, MessageTracer, statementsAreTracedByHand, statementsUnderSpan } from './message-tracer.ts';
import { contextOf, contextUnder, spanContextOf } from './trace-context.ts';

type Made = {
  name: string;
  options: unknown;
  parent: SpanContext | undefined;
  attributes: Attributes;
  status?: unknown;
  links: Link[];
  ended: boolean;
};

/** A tracer that writes down what is made of it. */
function recorder() {
  const made: Made[] = [];
  const tracer = {
    startSpan(name: string, options: { attributes?: Attributes }, parent?: Context) {
      const parentSpan = parent && trace.getSpanContext(parent);
      const one: Made = { name, options, parent: parentSpan, attributes: { ...options.attributes }, links: [], ended: false };
      made.push(one);
      const context = { traceId: parentSpan?.traceId ?? 'f'.repeat(32), spanId: `${made.length}`.padStart(16, '0'), traceFlags: 1 };
      const span = {
        spanContext: () => context,
        setAttribute: (key: string, value: string) => Object.assign(one.attributes, { [key]: value }),
        setAttributes: (more: Attributes) => Object.assign(one.attributes, more),
        setStatus: (status: unknown) => Object.assign(one, { status }),
        addLink: (link: Link) => one.links.push(link),
        end: () => Object.assign(one, { ended: true }),
      };
      return span as unknown as Span;
    },
  };
  const ids: string[] = [];
  return { made, ids, tracing: new MessageTracer(tracer as unknown as Tracer, (id) => ids.push(id)) };
}

const stored = (id: string, flags = '01') => ({ traceparent: `00-${id.repeat(32)}-${id.repeat(16)}-${flags}`, tracestate: '' });
const [kept, dropped] = [stored('a'), stored('b', '00')];
const [keptContext, droppedContext] = [contextOf(kept) as Context, contextOf(dropped) as Context];
const message = { messageKey: 'k', topic: 'T' };

describe('a span of a message', () => {
  it('is made below what is stored or in memory where that is kept, with what was asked for', () => {
    const { made, ids, tracing } = recorder();
    const links = linkTo(spanContextOf(dropped));
    tracing.startMessage('publish', message, { kind: SpanKind.PRODUCER, parent: kept });
    tracing.startMessage('publish', message, { kind: 1, parent: keptContext, attributes: { a: 1 }, links, startTime: 7, spanId: 'c'.repeat(16) });
    expect(made).toMatchObject([
      { name: 'T publish', parent: spanContextOf(kept), options: { kind: SpanKind.PRODUCER, links: [] } },
      { attributes: { messageKey: 'k', a: 1 }, options: { kind: 1, links: [{ context: spanContextOf(dropped) }], startTime: 7 } },
    ]);
    expect(made[0]?.options).not.toHaveProperty('startTime');
    expect(ids).toEqual(['c'.repeat(16)]);
  });

  it('is not made without a parent, nor below one that is not kept, unless it is to be kept', () => {
    const { made, tracing } = recorder();
    for (const parent of [undefined, dropped, droppedContext, stored('0')])
      expect(tracing.startMessage('x', message, { kind: SpanKind.CLIENT, parent })).toBeUndefined();
    expect(tracing.startMessage('x', message, { kind: SpanKind.CLIENT, parent: undefined, keep: true })).toBeUndefined();
    expect(made).toEqual([]);
    for (const parent of [dropped, droppedContext]) tracing.startMessage('x', message, { kind: SpanKind.CLIENT, parent, keep: true });
    expect(made.map(({ parent }) => parent?.traceFlags)).toEqual([1, 1]);
  });

  it('that is not kept is made after all when its work fails, with what was said of it and the time at which it began', () => {
    const { made, tracing } = recorder();
    const span = new MessageSpan(tracing, 'process', message, { kind: SpanKind.CONSUMER, parent: dropped });
    span.set('a', 1);
    span.set('b', 2);
    expect([span.context, made]).toEqual([undefined, []]);
    span.end('BAD');
    expect(made).toMatchObject([
      {
        attributes: { a: 1, b: 2, 'error.type': 'BAD' },
        options: { startTime: expect.any(Number) },
        status: { code: SpanStatusCode.ERROR },
        ended: true,
      },
    ]);
  });

  it('that is not kept stays so when its work succeeds', () => {
    const { made, tracing } = recorder();
    new MessageSpan(tracing, 'process', message, { kind: SpanKind.CONSUMER, parent: dropped }).end();
    expect(made).toEqual([]);
  });

  it('that is kept takes what is said of it at once, and is made once', () => {
    const { made, tracing } = recorder();
    const span = new MessageSpan(tracing, 'process', message, { kind: SpanKind.CONSUMER, parent: kept });
    span.set('a', 1);
    expect(made[0]?.attributes).toMatchObject({ a: 1 });
    expect(span.context && trace.getSpanContext(span.context)?.spanId).toBe('1'.padStart(16, '0'));
    span.keep();
    expect(span.run(() => 'done')).toBe('done');
    span.end();
    expect(made).toMatchObject([{ ended: true }]);
    expect(made[0]).not.toHaveProperty('status');
  });
});

describe('other spans', () => {
  it('are made below what is kept, or where a trace may begin', () => {
    const { made, tracing } = recorder();
    expect(tracing.start('x', SpanKind.CLIENT, droppedContext, {})).toBeUndefined();
    tracing.start('x', SpanKind.CLIENT, keptContext, { a: 1 });
    tracing.begin('y', SpanKind.SERVER);
    tracing.begin('z', SpanKind.SERVER, droppedContext);
    expect(made).toMatchObject([
      { name: 'x', options: { kind: SpanKind.CLIENT, attributes: { a: 1 } }, parent: { spanId: 'a'.repeat(16) } },
      { name: 'y', options: { kind: SpanKind.SERVER }, parent: undefined },
      { name: 'z', parent: { spanId: 'b'.repeat(16) } },
    ]);
  });

  it('of one message alone are part of its trace; of more they link to all that are kept, and those to them', () => {
    const { made, tracing } = recorder();
    expect(tracing.startBatch('x', SpanKind.CLIENT, [undefined, droppedContext], {})).toBeUndefined();
    tracing.startBatch('one', SpanKind.CLIENT, [keptContext], { a: 1 });
    expect(made[0]).toMatchObject({ name: 'one', attributes: { a: 1 }, options: { kind: SpanKind.CLIENT }, parent: { spanId: 'a'.repeat(16) } });
    expect(made[0]?.options).not.toHaveProperty('links');
    const [first, second] = [1, 2].map(() => tracing.begin('of a message', SpanKind.PRODUCER, keptContext));
    const of = [droppedContext, contextUnder(first as Span), contextUnder(second as Span)];
    const batch = tracing.startBatch('many', SpanKind.CLIENT, of, { a: 1 });
    expect(made[3]).toMatchObject({ name: 'many', attributes: { a: 1 }, parent: first?.spanContext() });
    expect(made[3]?.options).toMatchObject({ links: [{ context: first?.spanContext() }, { context: second?.spanContext() }] });
    expect([made[1]?.links, made[2]?.links]).toEqual([[{ context: batch?.spanContext() }], [{ context: batch?.spanContext() }]]);
  });

  it('end by the outcome of their work, which goes on as without them', async () => {
    const { made, tracing } = recorder();
    endSpan(undefined, 'X');
    expect(await inSpan(undefined, async () => 1)).toBe(1);
    expect(await inSpan(tracing.begin('good', SpanKind.CLIENT), async () => 2)).toBe(2);
    const failing = inSpan(tracing.begin('bad', SpanKind.CLIENT), () => Promise.reject(Object.assign(new Error('secret'), { code: 'ECONNRESET' })));
    await expect(failing).rejects.toThrow('secret');
    expect(made).toMatchObject([
      { ended: true, attributes: {} },
      { ended: true, attributes: { 'error.type': 'ECONNRESET' }, status: { code: SpanStatusCode.ERROR } },
    ]);
    expect(made[0]).not.toHaveProperty('status');
  });

  it('stand for all statements of work on the database', async () => {
    const { made, tracing } = recorder();
    const attributes = { 'db.query.summary': 'INSERT t' };
    expect(await statementsUnderSpan(undefined, { attributes, of: [keptContext] }, async () => 1)).toBe(1);
    expect(await statementsUnderSpan(tracing, { attributes, of: [droppedContext] }, async () => 2)).toBe(2);
    expect(made).toEqual([]);
    expect(await statementsUnderSpan(tracing, { attributes, of: [keptContext] }, async () => 3)).toBe(3);
    await expect(statementsUnderSpan(tracing, { attributes, of: [keptContext] }, () => Promise.reject(new TypeError('x')))).rejects.toThrow('x');
    expect(made).toMatchObject([
      { name: 'INSERT t', options: { kind: SpanKind.CLIENT }, ended: true },
      { ended: true, attributes: { 'error.type': 'TypeError' } },
    ]);
    expect(statementsAreTracedByHand(ROOT_CONTEXT)).toBe(false);
  });
});

it.each([
  [{ reason: 'R', code: 'C', status: 'S', name: 'N' }, 'R'],
  [{ reason: 7, code: 'C' }, 'C'],
  [{ code: 14, status: 'UNAVAILABLE', name: 'N' }, 'UNAVAILABLE'],
  [{ status: 'not a code', name: 'N' }, 'N'],
  [{ name: 'x'.repeat(64) }, 'x'.repeat(64)],
  [{ name: 'x'.repeat(65) }, 'Error'],
  [{ name: ' N' }, 'Error'],
  [{ name: 'N ' }, 'Error'],
  [new RangeError('x'), 'RangeError'],
  [undefined, 'Error'],
  ['thrown', 'Error'],
])('%o is called %s in a span', (error, type) => {
  expect(errorTypeOf(error)).toBe(type);
});
