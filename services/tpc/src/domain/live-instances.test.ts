import { describe, expect, it } from 'vitest';
import { idleSince, type LiveInstance, latestIdleSince } from './live-instances.ts';

const tells = (heartbeatAt: number, topics: Record<string, boolean>): LiveInstance => ({
  startedAt: 0,
  heartbeatAt,
  idle: Object.values(topics).every(Boolean),
  topics: new Map(Object.entries(topics).map(([topic, idle]) => [topic, { tags: [], idle }])),
});
const asAWhole = (heartbeatAt: number, idle: boolean): LiveInstance => ({ startedAt: 0, heartbeatAt, idle, topics: undefined });

describe('a group is idle on a topic', () => {
  it.each<[string, LiveInstance[], number | undefined]>([
    ['since the last heartbeat of its instance', [tells(5, { QUIET: true })], 5],
    ['though another topic is busy', [tells(5, { QUIET: true, BUSY: false })], 5],
    ['since the oldest of the last heartbeats of several', [tells(7, { QUIET: true }), tells(5, { QUIET: true })], 5],
    ['not while one of its instances is busy there', [tells(7, { QUIET: true }), tells(5, { QUIET: false })], undefined],
    ['whatever an instance says that does not take the topic', [tells(7, { QUIET: true }), tells(5, { BUSY: false })], 7],
    ['not when no instance takes the topic', [tells(7, { BUSY: true })], undefined],
    ['not when no instance lives', [], undefined],
    ['by an instance that speaks for all its topics together', [asAWhole(5, true)], 5],
    ['not while such an instance is busy', [tells(7, { QUIET: true }), asAWhole(5, false)], undefined],
  ])('%s', (_what, instances, since) => {
    expect(idleSince(instances, 'QUIET')).toBe(since);
  });
});

it('a group is idle at the latest since the latest time of its topics', () => {
  const instances = [tells(7, { QUIET: true, BUSY: false }), tells(5, { QUIET: true, OTHER: true })];
  expect(latestIdleSince(instances)).toBe(5);
  expect(latestIdleSince([...instances, tells(9, { LATE: true })])).toBe(9);
  expect(latestIdleSince([...instances, asAWhole(9, false)])).toBeUndefined();
  expect(latestIdleSince([asAWhole(9, true)])).toBe(9);
  expect(latestIdleSince([tells(7, { BUSY: false })])).toBeUndefined();
  expect(latestIdleSince([])).toBeUndefined();
});
