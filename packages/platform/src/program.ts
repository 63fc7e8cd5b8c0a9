import { parseArgs } from 'node:util';
import type { z } from 'zod';
import { type ConfigSchema, describeConfig, loadConfig } from './config.ts';
import { type Running, runMain } from './lifecycle.ts';

export type Program<S extends ConfigSchema> = {
  /** Stands before each line that the program says about itself. */
  name: string;
  /** First lines of --help: what it is and does. */
  about: string;
  schema: S;
  /** @param stopping aborted when the program is told to stop while it still starts */
  start: (config: z.output<S>, stopping: AbortSignal) => Promise<Running>;
};

/**
 * Runs a program that is configured by the environment alone: `--help` lists its settings, an unknown argument ends it with one line, else it
 * starts and runs until it is told to stop (see runMain).
 */
export async function runProgram<S extends ConfigSchema>(
  { name, about, schema, start }: Program<S>,
  { args, env }: { args: readonly string[]; env: Readonly<Record<string, string | undefined>> },
): Promise<void> {
  let help: boolean | undefined;
  try {
    help = parseArgs({ args: [...args], options: { help: { type: 'boolean', short: 'h' } } }).values.help;
  } catch (error) {
    process.stderr.write(`${name}: ${(error as Error).message}. Settings are environment variables: --help lists them.\n`);
    process.exitCode = 1;
    return;
  }
  if (help) process.stdout.write(`${helpText(about, schema)}\n`);
  else await runMain(name, async (stopping) => start(loadConfig(schema, env), stopping));
}

function helpText(about: string, schema: ConfigSchema): string {
  const rows = describeConfig(schema);
  const width = Math.max(...rows.map(({ key }) => key.length));
  const lines = rows.map(({ key, defaultValue, description }) => `  ${key.padEnd(width)}  ${description}${defaultValue ? ` [${defaultValue}]` : ''}`);
  return `${about}\n\nSettings, by environment variable, with their [defaults]:\n${lines.join('\n')}`;
}
