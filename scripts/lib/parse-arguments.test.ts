import { StartError } from '@tpc/platform';
import { expect, it } from 'vitest';
import { parseArguments } from './parse-arguments.ts';

const options = { wipe: { type: 'boolean' }, file: { type: 'string' } } as const;

it.each([
  [['--wip'], 'unknown option --wip; did you mean --wipe? --help lists the options.'],
  [['--elsewhere'], 'unknown option --elsewhere. --help lists the options.'],
  [['--file'], "option '--file <value>' argument missing. --help lists the options."],
  [['up'], "unexpected argument 'up'. --help lists the options."],
])('%s is answered by one short line', (args, line) => {
  expect(() => parseArguments({ args, options })).toThrow(new StartError(line));
});

it('reads what it knows', () => {
  expect(parseArguments({ args: ['--wipe'], options }).values).toEqual({ wipe: true });
});
