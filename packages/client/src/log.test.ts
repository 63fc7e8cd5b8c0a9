import { expect, it } from 'vitest';
import { discreet, firstFailuresLog } from './log.ts';

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
