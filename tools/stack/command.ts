/** npm run stack -- up | down | status: the real MariaDB, Redis, RocketMQ and a mail catcher as ordinary processes on loopback. */

import { describeConfig, loadConfig, StartError } from '@tpc/platform';
import { parseArguments } from '../../scripts/lib/parse-arguments.ts';
import { createProgress } from './progress.ts';
import { stackSchema } from './settings.ts';
import { Stack } from './stack.ts';

const HELP = `npm run stack -- <command>

  up             installs what is missing (Debian, Ubuntu: apt; RocketMQ from Maven Central), starts what does not run, waits until
                 everything answers, makes databases, topics and consumer groups
  up --tracing   the same, with Jaeger (built once with Go, 5 to 10 minutes); the services then send their spans to it
  down           stops what up started, and nothing else; the state stays
  down --wipe    the same, and removes the state
  status         each part with address, process id and state

Settings, by environment variable:
${describeConfig(stackSchema)
  .map(({ key, defaultValue, description }) => `  ${key.padEnd(24)} ${defaultValue.padEnd(18)} ${description}`)
  .join('\n')}

The services' settings for it stand in STACK_DIR/stack.env; npm run start:real starts them on it. With Docker: docker compose up -d.`;

try {
  await main();
} catch (error) {
  process.stderr.write(`stack: ${error instanceof StartError ? error.message : error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const { values, positionals } = readArguments();
  const [command, ...more] = positionals;
  if (values.help || command === undefined) return console.log(HELP);
  if (more.length > 0) throw new StartError(`one command at a time; there is ${more[0]} as well`);
  if (values.wipe && command !== 'down') throw new StartError('--wipe belongs to down');
  if (values.tracing && command !== 'up') throw new StartError('--tracing belongs to up');
  const stack = new Stack(loadConfig(stackSchema, { ...process.env, ...(values.tracing ? { STACK_TRACING: 'true' } : {}) }));
  const progress = createProgress((line) => console.log(`stack: ${line}`));
  if (command === 'up') return up(stack, progress);
  if (command === 'down') return stack.down(progress, values.wipe);
  if (command === 'status') return status(stack);
  throw new StartError(`unknown command ${command}: up, down or status`);
}

function readArguments() {
  return parseArguments({
    options: { help: { type: 'boolean', short: 'h' }, wipe: { type: 'boolean' }, tracing: { type: 'boolean' } },
    allowPositionals: true,
  });
}

async function up(stack: Stack, progress: ReturnType<typeof createProgress>): Promise<void> {
  const began = performance.now();
  await stack.up(progress);
  progress.say(`up after ${((performance.now() - began) / 1000).toFixed(1)} s; addresses in ${stack.addressFile}; next: npm run start:real`);
}

async function status(stack: Stack): Promise<void> {
  const parts = await stack.status();
  for (const { title, address, pid, state } of parts)
    console.log(`${title.padEnd(26)} ${address.padEnd(23)} ${String(pid ?? '-').padEnd(8)} ${state}`);
  if (parts.some(({ state }) => state !== 'up')) process.exitCode = 1;
}
