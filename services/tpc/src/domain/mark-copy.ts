import { ConfirmStatus } from './states.ts';

/** A consumer group's copy of a message, as far as a report can change it. */
export type Copy = { status: number; dead: boolean; generation: number };

/** A report of a group. Consumed includes received. */
export type Report = { generation: number; kind: 'received' | 'consumed' | 'failed' };

export type MarkDecision = {
  /** What to write; undefined: nothing changes. */
  write: 'received' | 'consumed' | 'failed' | undefined;
  /** How the counts of the message change. */
  open: 0 | -1;
  dead: -1 | 0 | 1;
};

const NOTHING: MarkDecision = { write: undefined, open: 0, dead: 0 };

/**
 * What a report does to a copy; pure. Reports are facts and may come twice, late and in any order:
 * an older generation is dropped; a newer one than TPC knows (TPC was restored from a backup) counts; consumed is never lowered within a
 * generation and clears a dead flag; a failure of a copy that is settled changes nothing.
 */
export function decideMark(copy: Copy, report: Report): MarkDecision {
  if (report.generation < copy.generation) return NOTHING;
  const settled = copy.status >= ConfirmStatus.CONSUMED;
  if (settled) return NOTHING;
  switch (report.kind) {
    case 'received':
      return copy.status === ConfirmStatus.UNCONFIRMED ? { write: 'received', open: 0, dead: 0 } : NOTHING;
    case 'consumed':
      return copy.dead ? { write: 'consumed', open: 0, dead: -1 } : { write: 'consumed', open: -1, dead: 0 };
    case 'failed':
      return copy.dead ? NOTHING : { write: 'failed', open: -1, dead: 1 };
  }
}

const STRENGTH = { received: 0, failed: 1, consumed: 2 } as const;

/**
 * The one report that stands for two of the same group and message in one batch: the newer generation; within one, consumed before failed before
 * received, since consumed is never lowered and both others include received.
 */
export function strongerReport<R extends Report>(first: R, second: R): R {
  // Stryker disable next-line EqualityOperator: within the condition they differ.
  if (first.generation !== second.generation) return first.generation > second.generation ? first : second;
  return STRENGTH[second.kind] > STRENGTH[first.kind] ? second : first;
}
