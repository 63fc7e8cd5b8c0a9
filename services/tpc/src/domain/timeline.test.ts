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
    expect(entries).toEqual([
      { at: 1, kind: 'PREPARED', consumerGroup: '', actor: 'P', detail: '' },
      { at: 2, kind: 'CONFIRMED', consumerGroup: '', actor: 'P', detail: '' },
      { at: 3, kind: 'PUBLISHED', consumerGroup: '', actor: 'tpc', detail: '' },
      { at: 4, kind: 'RECEIVED', consumerGroup: 'C', actor: 'C', detail: '' },
      { at: 5, kind: 'CONSUMED', consumerGroup: 'C', actor: 'C', detail: '' },
      { at: 5, kind: 'FINISHED', consumerGroup: '', actor: 'tpc', detail: '' },
    ]);
  });

  it('tells only what has happened', () => {
    const waiting = { ...message, state: 10, confirmedAt: undefined, publishedAt: undefined, finishedAt: undefined } as const;
    expect(kinds(timelineOf(waiting, [{ consumerGroup: 'C', receivedAt: undefined, consumedAt: undefined }], []))).toEqual(['PREPARED']);
  });

  it('says how often it was published, where it was more than once', () => {
    expect(timelineOf({ ...message, publishCount: 2 }, [], [])[2]).toMatchObject({ kind: 'PUBLISHED', detail: '2 times' });
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
    for (const [cancelKind, detail] of [
      [0, ''],
      [1, 'ABORTED'],
      [2, 'ROLLED_BACK'],
      [3, 'REVOKED'],
    ] as const)
      expect(timelineOf({ ...message, state: 40, cancelKind }, [], []).at(-1)).toMatchObject({ kind: 'CANCELLED', actor: 'P', detail });
    expect(timelineOf({ ...message, state: 50, reason: 'BROKER_REFUSED: x' }, [], []).at(-1)).toMatchObject({
      kind: 'DEAD',
      actor: 'tpc',
      detail: 'BROKER_REFUSED: x',
    });
    expect(kinds(timelineOf({ ...message, state: 20, finishedAt: undefined }, [], []))).not.toContain('FINISHED');
  });
});
