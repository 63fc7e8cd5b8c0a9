import type { z } from 'zod';
import { StartError } from '../errors.ts';
import { type ConfigSchema, describeConfig, loadConfig } from './config.ts';
import { type Running, runMain } from './lifecycle.ts';
import { didYouMean, nearMisses } from './near-misses.ts';

export type Program<S extends ConfigSchema> = {
  /** Stands before each line that the program says about itself. */
  name: string;
  /** First lines of --help: what it is and does. */
  about: string;
  schema: S;
  /** Settings that others of the same process read: they are no misspelt ones. */
  otherSchemas?: readonly ConfigSchema[];
  /** Switches that the caller has taken out of the arguments, for --help's sake: `--trace`. */
  switches?: readonly string[];
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
    wish = readArguments(args, program);
  } catch (error) {
    process.stderr.write(`${name}: ${(error as Error).message}\n`);
    process.exitCode = 1;
    return;
  }
  if (wish !== 'help') warnOfSlips(program, env);
  if (wish === 'help') process.stdout.write(`${helpText(program)}\n`);
  else if (wish === 'migrate') await runMain(name, async (stopping) => migrateOnly(program, loadConfig(schema, env), stopping));
  else await runMain(name, async (stopping) => program.start(loadConfig(schema, env), stopping));
}

type Wish = 'help' | 'migrate' | 'start';

/** @throws Error in words for people */
function readArguments(args: readonly string[], { migrate, switches = [] }: Pick<Program<ConfigSchema>, 'switches'> & { migrate?: unknown }): Wish {
  const wishes: Record<string, Wish> = { '--help': 'help', '-h': 'help', ...(migrate === undefined ? {} : { migrate: 'migrate' }) };
  const stranger = args.find((argument) => !(argument in wishes)) ?? (args.length > 1 ? args.at(-1) : undefined);
  if (stranger === undefined) return wishes[args[0] ?? ''] ?? 'start';
  const meant = didYouMean(stranger, [...Object.keys(wishes), ...switches]);
  throw new Error(
    `unexpected argument "${stranger}"${meant === undefined || meant === stranger ? '.' : `; did you mean ${meant}?`} Settings are environment variables; --help lists them.`,
  );
}

/** A misspelt setting would be ignored without a word. */
function warnOfSlips<S extends ConfigSchema>(
  { name, schema, otherSchemas = [] }: Program<S>,
  env: Readonly<Record<string, string | undefined>>,
): void {
  const known = [schema, ...otherSchemas].flatMap((one) => Object.keys(one.shape));
  for (const line of nearMisses(known, env)) process.stderr.write(`${name}: ${line}\n`);
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
