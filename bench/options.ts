import { StartError } from '@tpc/platform';
import { parseArguments } from '../scripts/lib/parse-arguments.ts';

export type BenchOptions = {
  callers: number[];
  /** Messages a second of the steady loads. */
  steady: number[];
  seconds: number;
  rounds: number;
  peers: boolean;
  tracing: boolean;
  json: string | undefined;
  profile: string | undefined;
  only: string | undefined;
  verbose: boolean;
};

export const HELP = `npm run bench -- [options]: messages from a producer's transaction to a consumer's, on real MariaDB and RocketMQ (npm run stack)

  --callers 8,32,96,256   callers at once, each waiting for its transaction before it begins the next
  --steady 200            messages a second that begin whatever the others do, for latencies; several as 50,100,200
  --seconds 5             length of each load
  --rounds 1              how often everything is measured, in turns; tables show medians. 3 with --peers
  --peers                 also RocketMQ's own transactional message and DTM's two-phase message, in turns with TPC; builds DTM with Go the first time
  --tracing               what tracing costs: tpc-batch without it, with every trace kept, and with 1 % of them, in turns; alone. 3 rounds
  --only NAME             one system alone: tpc-batch, tpc-single, rocketmq or dtm; without the raw limits
  --json FILE             where the figures go; default bench/results/<commit>.json. A chart stands beside it
  --profile FOLDER        a CPU profile of each program goes there
  --verbose               also prints what the programs log
  -h, --help

"Consumed" is the consumer's COMMIT; messages a second count from the first transaction's begin to the last consumer's COMMIT. The stack is started where
it does not run, and goes on running: npm run stack -- down stops it. STACK_* settings are those of the stack.`;

/** @returns undefined when help is asked for @throws StartError that names the option */
export function readOptions(args: string[]): BenchOptions | undefined {
  const { values } = parse(args);
  if (values.help) return undefined;
  return {
    callers: wholeNumbers('--callers', values.callers),
    steady: wholeNumbers('--steady', values.steady),
    seconds: wholeNumber('--seconds', values.seconds),
    rounds: wholeNumber('--rounds', values.rounds ?? (values.peers || values.tracing ? '3' : '1')),
    peers: values.peers,
    tracing: values.tracing,
    json: values.json,
    profile: values.profile,
    only: values.only,
    verbose: values.verbose,
  };
}

function parse(args: string[]) {
  return parseArguments({
    args,
    options: {
      callers: { type: 'string', default: '8,32,96,256' },
      steady: { type: 'string', default: '200' },
      seconds: { type: 'string', default: '5' },
      rounds: { type: 'string' },
      peers: { type: 'boolean', default: false },
      tracing: { type: 'boolean', default: false },
      json: { type: 'string' },
      profile: { type: 'string' },
      only: { type: 'string' },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
}

function wholeNumbers(option: string, list: string): number[] {
  return list.split(',').map((text) => wholeNumber(option, text));
}

function wholeNumber(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 10_000) throw new StartError(`${option}: ${text} is not a whole number from 1 to 10000`);
  return value;
}
