import type { Measurement } from '../measure.ts';
import { median } from '../quantiles.ts';

/** Measurements of one system under one load, over the rounds. */
export type Cell = { system: string; callers: number; perSecond: number | undefined; rounds: Measurement[] };

export function cellsOf(measurements: readonly Measurement[]): Cell[] {
  const groups = Map.groupBy(measurements, ({ system, callers, perSecond }) => `${system} ${callers} ${perSecond}`);
  return [...groups.values()].map((rounds) => {
    const { system, callers, perSecond } = rounds[0] as Measurement;
    return { system, callers, perSecond, rounds };
  });
}

/** Median over the rounds of whatever is read from each. */
export function medianOf(cell: Cell, read: (one: Measurement) => number | undefined): number {
  return median(cell.rounds.map((one) => read(one) ?? Number.NaN));
}

export type Ratio = { callers: number; ours: string; peer: string; value: number };

/** How many times as many messages TPC carries, from the medians of the same run. */
export function ratiosOf(measurements: readonly Measurement[]): Ratio[] {
  const cells = cellsOf(measurements).filter(({ perSecond }) => perSecond === undefined);
  const rate = (cell: Cell) => medianOf(cell, (one) => one.messagesPerSecond);
  const isOurs = ({ system }: Cell) => system.startsWith('tpc-');
  return cells
    .filter(isOurs)
    .flatMap((ours) =>
      cells
        .filter((peer) => !isOurs(peer) && peer.callers === ours.callers)
        .map((peer) => ({ callers: ours.callers, ours: ours.system, peer: peer.system, value: rate(ours) / rate(peer) })),
    );
}
