import { describe, expect, it } from 'vitest';
import { type TimelineMessage, timelineOf } from './timeline.ts';

const message: TimelineMessage = {
  state: 30,
  cancelKind: 0,
  producerGroup: 'P',
  publishCount: 1,
  reason: '',
  createdAt: 1,
  confirmedAt: 2,
  publishedAt: 3,
  finishedAt: 5,
};
const kinds = (entries: readonly { kind: string }[]) => entries.map((entry) => entry.kind);

describe('timelineOf', () => {
  it('tells the normal way from the columns alone', () => {
    const entries = timelineOf(message, [{ consumerGroup: 'C', receivedAt: 4, consumedAt: 5 }], []);
    expect(kinds(entries)).toEqual(['PREPARED', 'CONFIRMED', 'PUBLISHED', 'RECEIVED', 'CONSUMED', 'FINISHED']);
    expect(entries[3]).toEqual({ at: 4, kind: 'RECEIVED', consumerGroup: 'C', actor: 'C', detail: '' });
  });

  it('puts exceptions at their time', () => {
    const checked = { at: 2, kind: 'CHECKED', consumerGroup: '', actor: 'P', detail: 'IN_PROGRESS' };
    expect(kinds(timelineOf({ ...message, confirmedAt: 4, publishedAt: 4 }, [], [checked]))).toEqual([
      'PREPARED',
      'CHECKED',
      'CONFIRMED',
      'PUBLISHED',
      'FINISHED',
    ]);
  });

  it('says how it ended', () => {
    expect(timelineOf({ ...message, state: 40, cancelKind: 2 }, [], []).at(-1)).toMatchObject({ kind: 'CANCELLED', detail: 'ROLLED_BACK' });
    expect(timelineOf({ ...message, state: 50, reason: 'BROKER_REFUSED: x' }, [], []).at(-1)).toMatchObject({
      kind: 'DEAD',
      detail: 'BROKER_REFUSED: x',
    });
    expect(kinds(timelineOf({ ...message, state: 20, finishedAt: undefined }, [], []))).not.toContain('FINISHED');
  });
});
