import type { BenchResult } from '../bench.ts';
import { type Cell, cellsOf, medianOf } from './medians.ts';

const WIDTH = 900;
const PANEL = { left: 70, top: 80, width: 800, height: 220, gap: 90 };
const COLOURS = ['#1b7f5c', '#6fbf9b', '#c0702b', '#5b6fa8', '#999999'];

/** Two panels by callers: messages a second, and milliseconds from the producer's COMMIT to the consumer's. */
export function drawChart(result: BenchResult): string {
  const cells = cellsOf(result.measurements).filter(({ perSecond }) => perSecond === undefined);
  const height = PANEL.top + 2 * PANEL.height + PANEL.gap + 60;
  const colourOf = (system: string) => COLOURS[result.systems.findIndex(({ name }) => name === system)] ?? '#000';
  const rate = (cell: Cell) => medianOf(cell, (one) => one.messagesPerSecond);
  const latency = (cell: Cell) => medianOf(cell, (one) => one.latency.consumed?.p50);
  const legend = result.systems.map(
    ({ name, title }, index) =>
      `<rect x="${PANEL.left + (index % 2) * 400}" y="${34 + (index >> 1) * 18}" width="12" height="12" fill="${colourOf(name)}"/>${text(PANEL.left + 18 + (index % 2) * 400, 44 + (index >> 1) * 18, title)}`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="12">
<title>Messages a second and latency by callers</title>
<rect width="100%" height="100%" fill="#fff"/>
${text(PANEL.left, 22, `commit ${result.commit}, ${result.at.slice(0, 10)}, ${result.machine.processors} × ${result.machine.processor}, ${result.options.rounds} round(s) of ${result.options.seconds} s`)}
${legend.join('\n')}
${panel('messages a second, consumed', PANEL.top, result, cells, rate, colourOf)}
${panel('COMMIT → consumed, p50, ms', PANEL.top + PANEL.height + PANEL.gap, result, cells, latency, colourOf)}
</svg>
`;
}

function panel(
  title: string,
  top: number,
  { options, systems }: BenchResult,
  cells: readonly Cell[],
  read: (cell: Cell) => number,
  colourOf: (system: string) => string,
): string {
  const highest = Math.max(1, ...cells.map(read).filter(Number.isFinite));
  const group = PANEL.width / options.callers.length;
  const bar = (group * 0.8) / systems.length;
  const bars = options.callers.flatMap((callers, place) =>
    systems.flatMap(({ name }, index) => {
      const cell = cells.find((one) => one.system === name && one.callers === callers);
      if (cell === undefined) return [];
      const value = read(cell);
      const tall = (value / highest) * PANEL.height;
      const x = PANEL.left + place * group + group * 0.1 + index * bar;
      const y = top + PANEL.height - tall;
      const words = text(x + bar / 2, y - 4, value.toFixed(value < 100 ? 1 : 0), 'middle');
      return [
        `<rect x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${(bar - 2).toFixed(1)}" height="${tall.toFixed(1)}" fill="${colourOf(name)}"/>${words}`,
      ];
    }),
  );
  const labels = options.callers.map((callers, place) =>
    text(PANEL.left + (place + 0.5) * group, top + PANEL.height + 18, `${callers} callers`, 'middle'),
  );
  const axis = `<line x1="${PANEL.left}" x2="${PANEL.left + PANEL.width}" y1="${top + PANEL.height}" y2="${top + PANEL.height}" stroke="#333"/>`;
  return [text(PANEL.left, top + PANEL.height + 40, title), axis, ...bars, ...labels].join('\n');
}

function text(x: number, y: number, words: string, anchor = 'start'): string {
  const escaped = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escaped}</text>`;
}
