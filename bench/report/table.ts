import type { BenchResult } from '../bench.ts';
import { type Cell, cellsOf, medianOf, ratiosOf } from './medians.ts';

/** The whole result for a terminal. */
export function describeResult(result: BenchResult): string {
  const cells = cellsOf(result.measurements);
  const sections = [head(result), limits(result), rates(cells), latencies(cells), costs(cells), ratios(result)];
  return sections.filter((section) => section !== '').join('\n\n');
}

function head({ at, commit, machine, options, measurements }: BenchResult): string {
  const load = Math.max(...measurements.map((one) => one.load));
  return `commit ${commit}, ${at}; ${machine.processors} × ${machine.processor}, ${machine.memoryGiB} GiB, Node ${machine.node}, MariaDB ${machine.database}
medians of ${options.rounds} round(s) of ${options.seconds} s; load average of the machine before: ${machine.loadBefore.toFixed(1)}, at most during: ${load.toFixed(1)}`;
}

function limits({ limits: raw }: BenchResult): string {
  if (raw === undefined) return '';
  return `Raw limits in this run
  MariaDB, commits of one row      ${whole(raw.commitsOneConnection)}/s by one connection, ${whole(raw.commits64Connections)}/s by 64
  RocketMQ, sends                  ${whole(raw.singleSends64Callers)}/s one by one at 64 callers, ${whole(raw.batchSends)}/s in batches of 128
  RocketMQ, hop at 200/s           p50 ${ms(raw.hop.p50)}, p99 ${ms(raw.hop.p99)} ms`;
}

function rates(cells: readonly Cell[]): string {
  const rows = cells.map((cell) => [
    cell.system,
    loadOf(cell),
    whole(medianOf(cell, (one) => one.messagesPerSecond)),
    ...['transaction', 'consumed'].flatMap((stage) => pair(cell, stage)),
    String(cell.rounds.reduce((sum, one) => sum + one.missing, 0)),
    String(cell.rounds.reduce((sum, one) => sum + one.unprepared, 0)),
  ]);
  const header = ['system', 'load', 'msg/s', 'begin → COMMIT p50', 'p99', 'COMMIT → consumed p50', 'p99 ms', 'missing', 'unprepared'];
  return table('Messages a second and latency', header, rows);
}

function latencies(cells: readonly Cell[]): string {
  const stages = ['confirm', 'broker', 'received', 'inbox', 'consumed'];
  const rows = cells
    .filter(({ system }) => system.startsWith('tpc-'))
    .map((cell) => [cell.system, loadOf(cell), ...stages.map((stage) => pair(cell, stage).join(' / '))]);
  return table('From COMMIT to each stage, p50 / p99 ms', ['system', 'load', ...stages], rows);
}

function costs(cells: readonly Cell[]): string {
  const names = ['producer', 'tpc', 'dtm', 'consumer', 'mariadb', 'broker'];
  const rows = cells.map((cell) => [
    cell.system,
    loadOf(cell),
    ...names.map((name) =>
      decimal(
        medianOf(cell, (one) => one.cpuPerThousand[name]),
        3,
      ),
    ),
    decimal(
      medianOf(cell, (one) => one.commitsPerMessage.tpc),
      2,
    ),
    decimal(
      medianOf(cell, (one) => one.commitsPerMessage.consumer),
      2,
    ),
    ['prepare', 'confirm', 'report', 'inbox', 'handler']
      .map((name) =>
        decimal(
          medianOf(cell, (one) => one.batchSizes[name]),
          1,
        ),
      )
      .join(' '),
  ]);
  const header = ['system', 'load', ...names, 'commits TPC', 'consumer', 'batches: prepare confirm report inbox handler'];
  return table('CPU seconds for 1,000 messages by process; commits a message; messages in a batch', header, rows);
}

function ratios({ measurements }: BenchResult): string {
  const found = ratiosOf(measurements);
  if (found.length === 0) return '';
  const rows = found.map(({ callers, ours, peer, value }) => [ours, peer, String(callers), `${value.toFixed(2)}×`]);
  return table('TPC against its peers, msg/s', ['TPC', 'peer', 'callers', 'ratio'], rows);
}

function pair(cell: Cell, stage: string): [string, string] {
  return [ms(medianOf(cell, (one) => one.latency[stage]?.p50)), ms(medianOf(cell, (one) => one.latency[stage]?.p99))];
}

function loadOf({ callers, perSecond }: Cell): string {
  return perSecond === undefined ? `${callers} callers` : `steady ${perSecond}/s`;
}

function table(title: string, header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((name, column) => Math.max(name.length, ...rows.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]) =>
    `  ${row.map((text, column) => (column < 2 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0))).join('  ')}`;
  return [title, line(header), ...rows.map(line)].join('\n');
}

const decimal = (value: number, digits: number) => (Number.isFinite(value) ? value.toFixed(digits) : '-');
const ms = (value: number) => decimal(value, 1);
const whole = (value: number) => Math.round(value).toLocaleString('en');
