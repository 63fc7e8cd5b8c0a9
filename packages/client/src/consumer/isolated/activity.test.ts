import { describe, expect, it } from 'vitest';
import { Activity } from './activity.ts';

const HOUR_MS = 3_600_000;

describe('Activity', () => {
  it('is quiet at once where nothing runs, and else when the last work has ended, also by an error', async () => {
    const activity = new Activity();
    await activity.untilQuiet(HOUR_MS);
    const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const told: string[] = [];
    const both = [activity.during(() => first.promise), activity.during(() => second.promise)];
    const quiet = activity.untilQuiet(HOUR_MS).then(() => told.push('quiet'));
    first.resolve();
    await both[0];
    expect(told).toEqual([]);
    second.reject(new Error('x'));
    await expect(both[1]).rejects.toThrow('x');
    await quiet;
    expect(told).toEqual(['quiet']);
  });

  it('holds nothing up while somebody waits for a quiet moment', async () => {
    const activity = new Activity();
    const door = Promise.withResolvers<void>();
    const long = activity.during(() => door.promise);
    const quiet = activity.untilQuiet(HOUR_MS);
    await expect(activity.during(async () => 'ran')).resolves.toBe('ran');
    door.resolve();
    await Promise.all([long, quiet]);
  });

  it('lets nobody wait for ever', async () => {
    const activity = new Activity();
    const door = Promise.withResolvers<void>();
    const long = activity.during(() => door.promise);
    await activity.untilQuiet(1);
    door.resolve();
    await long;
  });
});
