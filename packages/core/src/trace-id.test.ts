import { expect, it } from 'vitest';
import { traceIdOf } from './trace-id.ts';

it('reads the trace of a traceparent, and none out of what is no traceparent', () => {
  const id = '4bf92f3577b34da6a3ce929d0e0e4736';
  expect(traceIdOf(`00-${id}-00f067aa0ba902b7-01`)).toBe(id);
  for (const none of ['', '00', `00-${id}`, `x00-${id}-00f067aa0ba902b7-01`, `00-${id.toUpperCase()}-00f067aa0ba902b7-01`])
    expect(traceIdOf(none)).toBeUndefined();
});
