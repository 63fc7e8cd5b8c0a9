import { Writable } from 'node:stream';
import { expect, it } from 'vitest';
import { createLog, partLog } from './log.ts';
import { textDestination } from './log-text.ts';

/** A log in text whose lines can be looked at, without their times. */
function make(level: 'info' | 'debug' = 'info') {
  let text = '';
  const out = new Writable({
    write: (chunk, _encoding, done) => {
      text += chunk;
      done();
    },
  });
  const log = createLog({ service: 'tpc', level, format: 'text' }, textDestination(false, out));
  return {
    log,
    lines: () =>
      text
        .trimEnd()
        .split('\n')
        .map((line) => line.replace(/^\[[\d:.]+\] /, '')),
  };
}

const refused = () => Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1', { cause: new Error('inner') }), { code: 'ECONNREFUSED' });

it('writes one event as one line, with its fields behind it', () => {
  const { log, lines } = make();
  partLog(log, 'grpc').info({ host: '127.0.0.1', port: 1, names: ['a', 'b'], reason: 'two words\nand a line' }, 'it listens');
  log.info('plain');
  expect(lines()).toEqual([
    'INFO: tpc.grpc: it listens  host=127.0.0.1 port=1 names="[\\"a\\",\\"b\\"]" reason="two words\\nand a line"',
    'INFO: tpc: plain',
  ]);
});

it('writes an error from outside as one line, and its stack at level debug alone', () => {
  const { log, lines } = make();
  log.warn({ err: refused(), attempt: 2 }, 'the server is away');
  expect(lines()).toEqual(['WARN: tpc: the server is away  attempt=2 err="connect ECONNREFUSED 127.0.0.1:1: inner"']);
  const debugging = make('debug');
  debugging.log.warn({ err: refused() }, 'the server is away');
  expect(debugging.lines().length).toBeGreaterThan(3);
});

it('shows the stack of a mistake in the program at any level', () => {
  const { log, lines } = make();
  log.error({ err: new Error('around', { cause: new TypeError('x is not a function') }) }, 'a call failed');
  expect(lines()[0]).toBe('ERROR: tpc: a call failed  err="around: x is not a function"');
  expect(lines().some((line) => line.includes('log-text.test.ts'))).toBe(true);
});
