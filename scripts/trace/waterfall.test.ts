import { describe, expect, it } from 'vitest';
import { type WaterfallSpan, waterfall } from './waterfall.ts';

const span = (spanId: string, parentId: string | undefined, start: number, end: number, more: Partial<WaterfallSpan> = {}): WaterfallSpan => ({
  spanId,
  parentId,
  service: 'uac',
  name: spanId,
  start,
  end,
  error: undefined,
  ...more,
});

describe('waterfall', () => {
  it('shows each span below its parent, in the order of their beginning, at its place in time', () => {
    const lines = waterfall([span('late', 'root', 150, 200), span('root', undefined, 100, 200), span('early', 'root', 100, 150)]);
    expect(lines).toEqual([
      `     0.0    100.0  ${'█'.repeat(40)}  uac root`,
      `     0.0     50.0  ${'█'.repeat(20)}${' '.repeat(20)}    uac early`,
      `    50.0     50.0  ${' '.repeat(20)}${'█'.repeat(20)}    uac late`,
    ]);
  });

  it('shows what stands below a span of another process at the top, and says what failed', () => {
    const [only] = waterfall([span('lone', 'elsewhere', 5, 5, { error: 'BROKER_UNAVAILABLE' })]);
    expect(only).toMatch(/uac lone {2}FAILED: BROKER_UNAVAILABLE$/);
  });
});
