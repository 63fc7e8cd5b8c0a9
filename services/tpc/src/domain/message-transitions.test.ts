import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { EVENTS, type MessageEvent, type Move, moveOf, PLACES, placeOf, stateOf } from './message-transitions.ts';

const PAGE = new URL('../../../../docs/state-machine.md', import.meta.url);
const BEGIN = '<!-- table: begin -->\n';
const END = '<!-- table: end -->';
const EVENT_NAMES = Object.keys(EVENTS) as MessageEvent[];

function inWords(move: Move): string {
  if (move.refuse !== undefined) return move.attention === undefined ? `refused: ${move.refuse}` : `refused: ${move.refuse}; alert ${move.attention}`;
  if (move.to !== undefined) return [move.to, move.orDead ? 'or DEAD' : '', move.attention ? `(${move.attention})` : ''].filter(Boolean).join(' ');
  return move.attention === undefined ? '=' : `=; alert ${move.attention}`;
}

/** The table of the page, made from the code. */
function tableOfMoves(): string {
  const head = [`| from | ${EVENT_NAMES.join(' | ')} |`, `| --- |${' --- |'.repeat(EVENT_NAMES.length)}`];
  const rows = PLACES.map((place) => `| ${place} | ${EVENT_NAMES.map((event) => inWords(moveOf(place, event))).join(' | ')} |`);
  const events = EVENT_NAMES.map((event) => `- \`${event}\`: ${EVENTS[event]}`);
  return `${[...head, ...rows, '', ...events].join('\n')}\n`;
}

describe('the state machine', () => {
  it('is the one that docs/state-machine.md shows', () => {
    const page = readFileSync(PAGE, 'utf8');
    expect(page.slice(page.indexOf(BEGIN) + BEGIN.length, page.indexOf(END))).toBe(tableOfMoves());
  });

  it('never leaves ROLLED_BACK and REVOKED by a producer’s word but for a commit, which needs a person', () => {
    for (const event of ['save', 'confirm', 'delete', 'rolledBack'] as const) {
      expect(moveOf('ROLLED_BACK', event).to).toBeUndefined();
      expect(moveOf('REVOKED', event).to).toBeUndefined();
    }
    expect(moveOf('ROLLED_BACK', 'commit')).toMatchObject({ to: 'DEAD', attention: 'COMMIT_AFTER_ROLLBACK' });
  });

  it('never refuses a commit', () => {
    for (const place of PLACES) expect(moveOf(place, 'commit').refuse).toBeUndefined();
  });

  it('cancels nothing that was confirmed', () => {
    for (const place of ['SENDING', 'FINISHED', 'DEAD'] as const) {
      for (const event of EVENT_NAMES) expect(['ABORTED', 'ROLLED_BACK', 'REVOKED']).not.toContain(moveOf(place, event).to);
    }
  });

  it('publishes nothing that was not committed', () => {
    const starters = EVENT_NAMES.filter((event) =>
      ['UNKNOWN', 'WAITING_CONFIRM', 'ABORTED'].some((place) => moveOf(place as 'ABORTED', event).to === 'SENDING'),
    );
    expect(starters).toEqual(['confirm', 'commit']);
  });

  it('reads every place from the numbers that are stored, and no other', () => {
    const stored = [
      { state: 10, cancel_kind: 0, place: 'WAITING_CONFIRM' },
      { state: 20, cancel_kind: 0, place: 'SENDING' },
      { state: 30, cancel_kind: 0, place: 'FINISHED' },
      { state: 40, cancel_kind: 1, place: 'ABORTED' },
      { state: 40, cancel_kind: 2, place: 'ROLLED_BACK' },
      { state: 40, cancel_kind: 3, place: 'REVOKED' },
      { state: 50, cancel_kind: 0, place: 'DEAD' },
    ] as const;
    for (const row of stored) {
      expect(placeOf(row)).toBe(row.place);
      expect(stateOf(row.place)).toBe(row.state);
    }
    expect(() => placeOf({ state: 40, cancel_kind: 0 })).toThrow('message row with state 40 and cancel kind 0 is of no known kind');
    expect(() => placeOf({ state: 0, cancel_kind: 0 })).toThrow('state 0');
  });
});
