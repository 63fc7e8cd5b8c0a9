import { expect, it } from 'vitest';
import { discreet, firstFailuresLog } from './log.ts';

it('shows no stack of what fails from outside, unless the logger shows debug, and always that of a mistake', () => {
  const shown: unknown[] = [];
  const nothing = () => undefined;
  const note = (fields: object) => void shown.push((fields as { err: Error }).err.stack);
  const away = Object.assign(new Error('away', { cause: Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }) }), { code: 'UNAVAILABLE' });
  const quiet = { debug: nothing, info: nothing, warn: note, error: note };
  const loud = { ...quiet, isLevelEnabled: () => true };
  for (const log of [quiet, loud]) discreet(log).warn({ err: away }, 'tried again');
  discreet(quiet).warn({ err: new TypeError('x is not a function') }, 'tried again');
  discreet(quiet).error({ err: new Error('never thought of') }, 'has failed');
  expect(shown.map((stack) => String(stack).includes('log.test.ts'))).toEqual([false, true, true, true]);
  const told: Error[] = [];
  discreet({ ...quiet, warn: (fields: object) => void told.push((fields as { err: Error }).err) }).warn({ err: away }, 'tried again');
  expect(told[0]).toMatchObject({ message: 'away: connect', code: 'UNAVAILABLE' });
});

it('without a logger, says each kind of failure once, with its cause and without the values of a statement', () => {
  const said: string[] = [];
  const log = discreet(firstFailuresLog((text) => void said.push(text)));
  const away = Object.assign(new Error('insert into t values (1, secret) - too long'), {
    sql: 'insert into t values (?, ?)',
    sqlMessage: 'too long',
  });
  log.info({}, 'registered with TPC');
  for (const n of [1, 2]) log.warn({ consumer_group: 'CID', err: new Error(`no connection ${n}`) }, 'TPC cannot be reached');
  log.error({ err: away }, 'a message has finally failed');
  expect(said).toEqual([
    'TPC cannot be reached: no connection 1 (consumer_group=CID, said once; give the library a log for the rest)',
    expect.stringMatching(/^a message has finally failed: /),
  ]);
  expect(said.join()).not.toContain('secret');
});
