import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { BenchResult } from '../bench.ts';
import { drawChart } from './chart.ts';

export function resultFile(commit: string): string {
  return join(import.meta.dirname, '..', 'results', `${commit.replace('+', '-changed')}.json`);
}

/** Writes the figures as JSON, and their chart beside it as SVG. */
export function writeResult(result: BenchResult, json: string): { json: string; chart: string } {
  const chart = json.replace(/(\.json)?$/, '.svg');
  mkdirSync(dirname(json), { recursive: true });
  writeFileSync(json, `${JSON.stringify(result, roundedNumbers, 1)}\n`);
  writeFileSync(chart, drawChart(result));
  return { json, chart };
}

/** Four digits are more than a measurement is worth. */
function roundedNumbers(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;
}
