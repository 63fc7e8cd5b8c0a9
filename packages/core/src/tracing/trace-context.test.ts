import { type Context, ROOT_CONTEXT } from '@opentelemetry/api';
import { describe, expect, it } from 'vitest';
import {
  contextOf,
  isKept,
  isKeptTrace,
  keptContext,
  keptTraceparent,
  NO_STORED_TRACE,
  spanContextOf,
  storedTraceOf,
  storedTraceOfContext,
} from './trace-context.ts';

const TRACE = 'a'.repeat(32);
const SPAN = 'b'.repeat(16);
const kept = { traceparent: `00-${TRACE}-${SPAN}-01`, tracestate: 'vendor=1' };
const dropped = { traceparent: `00-${TRACE}-${SPAN}-00`, tracestate: '' };

describe('a stored trace context', () => {
  it('comes back as it was stored', () => {
    for (const stored of [kept, dropped]) {
      expect(storedTraceOf(spanContextOf(stored) as never)).toEqual(stored);
      expect(storedTraceOfContext(contextOf(stored))).toEqual(stored);
    }
  });

  it.each([
    '',
    'nonsense',
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE}-${SPAN}`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `x00-${TRACE}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-01x`,
  ])('is none where it is malformed: %s', (traceparent) => {
    expect(contextOf({ traceparent, tracestate: '' })).toBeUndefined();
    expect(keptTraceparent(traceparent.slice(0, 10))).toBe(traceparent.slice(0, 10));
  });

  it('says whether its trace is kept, and is kept from a failure on', () => {
    expect([kept, dropped].map((stored) => isKept(contextOf(stored)))).toEqual([true, false]);
    expect([kept, dropped].map(({ traceparent }) => isKeptTrace(traceparent))).toEqual([true, false]);
    expect(keptTraceparent(dropped.traceparent)).toBe(kept.traceparent);
    expect(storedTraceOfContext(keptContext(contextOf(dropped) as never)).traceparent).toBe(kept.traceparent);
  });

  it('is none without a span, and is left as it is where it is kept already', () => {
    expect(NO_STORED_TRACE).toEqual({ traceparent: '', tracestate: '' });
    expect(storedTraceOfContext(undefined)).toEqual(NO_STORED_TRACE);
    expect([isKept(undefined), isKept(ROOT_CONTEXT), isKeptTrace(''), isKeptTrace(`${kept.traceparent}1`)]).toEqual([false, false, false, false]);
    const context = contextOf(kept) as Context;
    expect([keptContext(context), keptContext(ROOT_CONTEXT)]).toEqual([context, ROOT_CONTEXT]);
    expect(keptContext(context)).toBe(context);
  });

  it.each([`0${'a'.repeat(31)}`, `${'a'.repeat(31)}0`])('may have noughts at the ends of its id: %s', (traceId) => {
    expect(spanContextOf({ traceparent: `00-${traceId}-${SPAN}-01`, tracestate: '' })).toEqual({
      traceId,
      spanId: SPAN,
      traceFlags: 1,
      isRemote: true,
    });
  });
});
