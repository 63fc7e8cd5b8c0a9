import { parseArgs } from 'node:util';
import type { z } from 'zod';
import { type ConfigSchema, describeConfig, loadConfig } from './config.ts';
import { StartError } from './errors.ts';
import { type Running, runMain } from './lifecycle.ts';

export type Program<S extends ConfigSchema> = {
  /** Stands before each line that the program says about itself. */
  name: string;
  /** First lines of --help: what it is and does. */
  about: string;
  schema: S;
  /** @param stopping aborted when the program is told to stop while it still starts */
  start: (config: z.output<S>, stopping: AbortSignal) => Promise<Running>;
  /** What the argument `migrate` does instead: brings the program's database up to date. Absent: there is no such argument. */
  migrate?: (config: z.output<S>, stopping: AbortSignal) => Promise<void>;
};

/**
 * Runs a program that is configured by the environment alone: `--help` lists its settings, an unknown argument ends it with one line, else it
 * starts and runs until it is told to stop (see runMain). With the argument `migrate` it brings its database up to date, and ends.
 */
export async function runProgram<S extends ConfigSchema>(
  program: Program<S>,
  { args, env }: { args: readonly string[]; env: Readonly<Record<string, string | undefined>> },
): Promise<void> {
  const { name, schema } = program;
  let wish: Wish;
  try {
    wish = readArguments(args, program.migrate !== undefined);
  } catch (error) {
    process.stderr.write(`${name}: ${(error as Error).message}. Settings are environment variables: --help lists them.\n`);
    process.exitCode = 1;
    return;
  }
  if (wish === 'help') process.stdout.write(`${helpText(program)}\n`);
  else if (wish === 'migrate') await runMain(name, async (stopping) => migrateOnly(program, loadConfig(schema, env), stopping));
  else await runMain(name, async (stopping) => program.start(loadConfig(schema, env), stopping));
}

type Wish = 'help' | 'migrate' | 'start';

/** @throws Error in words for people */
function readArguments(args: readonly string[], knowsMigrate: boolean): Wish {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { help: { type: 'boolean', short: 'h' } },
    allowPositionals: true,
  });
  const stranger = positionals.find((argument, index) => index > 0 || argument !== 'migrate' || !knowsMigrate);
  if (stranger !== undefined) throw new Error(`Unexpected argument '${stranger}'`);
  if (values.help) return 'help';
  return positionals.length > 0 ? 'migrate' : 'start';
}

/** Nothing of it runs on, so the process ends by itself. */
async function migrateOnly<S extends ConfigSchema>(program: Program<S>, config: z.output<S>, stopping: AbortSignal): Promise<Running> {
  if (!program.migrate) throw new StartError('there is nothing to migrate');
  await program.migrate(config, stopping);
  return { stop: async () => undefined };
}

function helpText<S extends ConfigSchema>({ name, about, schema, migrate }: Program<S>): string {
  const rows = describeConfig(schema);
  const width = Math.max(...rows.map(({ key }) => key.length));
  const lines = rows.map(({ key, defaultValue, description, fileKey }) => {
    const file = fileKey === undefined ? '' : ` Or in a file: ${fileKey}.`;
    return `  ${key.padEnd(width)}  ${description}${file}${defaultValue ? ` [${defaultValue}]` : ''}`;
  });
  const migrating = migrate ? `\n\n${name} migrate: brings the database up to date, and ends; as often and beside as many as you like.` : '';
  return `${about}${migrating}\n\nSettings, by environment variable, with their [defaults]:\n${lines.join('\n')}`;
}
