import { describe, expect, it } from 'vitest';
import { isDuplicate, retrying } from './retrying.ts';

const error = (fields: object) => Object.assign(new Error('x'), fields);

/** Work that fails so many times. */
function failing(times: number, with_: unknown) {
  let tries = 0;
  const work = async () => {
    tries += 1;
    if (tries <= times) throw with_;
    return 'done';
  };
  return { work, tries: () => tries };
}

describe('retrying', () => {
  it.each([
    ['a deadlock', { errno: 1213 }, 9],
    ['a lock time-out', { errno: 1205 }, 5],
    ['a lost connection', { code: 'PROTOCOL_CONNECTION_LOST' }, 2],
  ])('runs the work again after %s, with a bound', async (_what, fields, allowed) => {
    const enough = failing(allowed, error(fields));
    await expect(retrying(() => 0, enough.work)).resolves.toBe('done');
    const tooMany = failing(allowed + 1, error(fields));
    await expect(retrying(() => 0, tooMany.work)).rejects.toMatchObject(fields);
    expect(tooMany.tries()).toBe(allowed + 1);
  });

  it.each([
    ['a duplicate', { errno: 1062 }],
    ['a wrong statement', { errno: 1064 }],
    ['a demoted primary', { errno: 1836 }],
    ['an exhausted pool', { name: 'KnexTimeoutError' }],
  ])('throws %s at once', async (_what, fields) => {
    const once = failing(1, error(fields));
    await expect(retrying(() => 0, once.work)).rejects.toMatchObject(fields);
    expect(once.tries()).toBe(1);
  });

  it('knows a duplicate of both databases', () => {
    expect(isDuplicate(error({ errno: 1062 }))).toBe(true);
    expect(isDuplicate(error({ code: 'SQLITE_CONSTRAINT_UNIQUE' }))).toBe(true);
    expect(isDuplicate(error({ errno: 1213 }))).toBe(false);
  });
});
