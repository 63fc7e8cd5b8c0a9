/** A trace as text: one line a span, indented below its parent, with its place in time. */

/** A finished span, as far as a waterfall shows it. Times are milliseconds of the wall clock. */
export type WaterfallSpan = {
  spanId: string;
  parentId: string | undefined;
  service: string;
  name: string;
  start: number;
  end: number;
  /** Class of the error, where it failed. */
  error: string | undefined;
};

const BAR_WIDTH = 40;

/** @returns lines without line ends; spans in the order of their beginning, each below its parent */
export function waterfall(spans: readonly WaterfallSpan[]): string[] {
  const from = Math.min(...spans.map(({ start }) => start));
  const to = Math.max(...spans.map(({ end }) => end));
  const known = new Set(spans.map(({ spanId }) => spanId));
  const below = Map.groupBy(spans, ({ parentId }) => (parentId !== undefined && known.has(parentId) ? parentId : ''));
  const lines = (parentId: string, depth: number): string[] =>
    (below.get(parentId) ?? [])
      .toSorted((one, other) => one.start - other.start)
      .flatMap((span) => [line(span, depth, from, to), ...lines(span.spanId, depth + 1)]);
  return lines('', 0);
}

function line({ service, name, start, end, error }: WaterfallSpan, depth: number, from: number, to: number): string {
  const scale = BAR_WIDTH / Math.max(to - from, 1);
  const first = Math.min(Math.floor((start - from) * scale), BAR_WIDTH - 1);
  const length = Math.max(1, Math.min(Math.round((end - start) * scale), BAR_WIDTH - first));
  const bar = `${' '.repeat(first)}${'█'.repeat(length)}`.padEnd(BAR_WIDTH);
  const times = `${(start - from).toFixed(1).padStart(8)} ${(end - start).toFixed(1).padStart(8)}`;
  return `${times}  ${bar}  ${'  '.repeat(depth)}${service} ${name}${error === undefined ? '' : `  FAILED: ${error}`}`;
}
