import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { z } from 'zod';
import { StartError } from '../errors.ts';

/** A configuration is a zod object whose keys are the environment variables' names, each with `.describe()` and a default. */
export type ConfigSchema = z.ZodObject<z.ZodRawShape>;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads a configuration from the environment. Empty values count as absent. A secret setting X may also stand in a file, named by X_FILE, as secrets
 * are mounted; one line break at its end is not part of it.
 * @throws StartError with one line for each bad key: its name, its value unless it is a secret, what was expected
 */
export function loadConfig<S extends ConfigSchema>(schema: S, env: Environment): z.output<S> {
  const given = Object.fromEntries(
    Object.keys(schema.shape)
      .map((key) => [key, givenValue(schema, key, env)] as const)
      .filter(([, value]) => value !== undefined && value !== ''),
  );
  const result = schema.safeParse(given);
  if (result.success) return result.data as z.output<S>;
  const lines = result.error.issues.map((issue) => {
    const key = String(issue.path[0] ?? '');
    const value = given[key];
    return `${key}${value === undefined ? '' : `="${isSecret(schema, key) ? '…' : value}"`}: ${issue.message}`;
  });
  throw new StartError(`bad setting: ${lines.join('; ')}`);
}

/** Marks a setting as secret, as its last call: its value is never told, and may come from the file that X_FILE names. */
export function secretSetting<T extends z.ZodType>(type: T): T {
  return type.meta({ ...type.meta(), secret: true });
}

/** What the file of a secret setting is named by. */
const FILE_SUFFIX = '_FILE';

function isSecret(schema: ConfigSchema, key: string): boolean {
  return (schema.shape[key] as z.ZodType | undefined)?.meta()?.secret === true;
}

/** Whether X_FILE is read for X here; a setting whose file has a setting of its own reads it by itself. */
function hasFile(schema: ConfigSchema, key: string): boolean {
  return isSecret(schema, key) && !(`${key}${FILE_SUFFIX}` in schema.shape);
}

function givenValue(schema: ConfigSchema, key: string, env: Environment): string | undefined {
  const fileKey = `${key}${FILE_SUFFIX}`;
  const path = env[fileKey];
  if (!hasFile(schema, key) || path === undefined || path === '') return env[key];
  if (env[key] !== undefined && env[key] !== '') throw new StartError(`bad setting: only one of ${key} and ${fileKey} may be set`);
  const text = readSecret(fileKey, path);
  if (text === '') throw new StartError(`bad setting: ${fileKey}="${path}": the file is empty`);
  return text;
}

function readSecret(fileKey: string, path: string): string {
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (cause) {
    throw new StartError(`bad setting: ${fileKey}="${path}": cannot be read: ${(cause as NodeJS.ErrnoException).code ?? 'unknown'}`, { cause });
  }
}

export type SettingRow = {
  key: string;
  defaultValue: string;
  description: string;
  /** Its value must never be shown, and not stand where everybody may read it. */
  secret: boolean;
  /** Name of the setting of the file that may hold the value. */
  fileKey: string | undefined;
};

/** Rows for docs/configuration.md and --help. */
export function describeConfig(schema: ConfigSchema): SettingRow[] {
  return Object.entries(schema.shape).map(([key, field]) => {
    const type = field as z.ZodType;
    const empty = type.safeParse(undefined);
    return {
      key,
      defaultValue: empty.success ? defaultText(type, empty.data) : 'required',
      description: type.description ?? '',
      secret: isSecret(schema, key),
      fileKey: hasFile(schema, key) ? `${key}${FILE_SUFFIX}` : undefined,
    };
  });
}

/** A default as one would write it: where a setting is read into an object or list, what stood before that. */
function defaultText(type: z.ZodType, value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value ?? '');
  if (type instanceof z.ZodPipe) return defaultText(type.in as z.ZodType, (type.in as z.ZodType).safeParse(undefined).data);
  return JSON.stringify(value);
}

const port = () =>
  z
    .string()
    .regex(/^\d{1,5}$/, 'expected a port, 0 to 65535')
    .transform(Number)
    .refine((value) => value <= 65_535, 'expected a port, 0 to 65535');

/** A TCP port; 0 lets the system choose. */
export const portSetting = (defaultPort: number) => port().default(defaultPort);

/** A TCP port that is not listened on where it is absent. */
export const optionalPortSetting = () => port().optional();

/** Who brings the database's schema up to date: the same setting in every service. */
export const migrateSetting = () =>
  z
    .enum(['auto', 'check', 'wait'], 'expected auto, check or wait')
    .default('auto')
    .describe(
      'auto: brings the schema up to date at start; check: refuses to start when a migration is missing; wait: waits, not ready, until another has made it (the argument migrate, by itself).',
    );

export type MigrateMode = z.output<ReturnType<typeof migrateSetting>>;

/** A whole number within limits, with its unit in the description. */
export const integerSetting = (defaultValue: number, min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, `expected a whole number, ${min} to ${max}`)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `expected a whole number, ${min} to ${max}`)
    .default(defaultValue);

/** An address to listen on. Whether others may then call is decided where the server starts (grpc-server.ts). */
export const bindSetting = () => address().default('127.0.0.1');

/** An address to listen on that need not be set. */
export const optionalBindSetting = () => address().optional();

const address = () => z.string().regex(/^[A-Za-z0-9.:_%-]+$/, 'expected an address or a host name');

/** An address to listen on for what knows no tokens. */
export const loopbackSetting = () => bindSetting().refine(isLoopback, 'only a loopback address (127.0.0.1, ::1, localhost) is allowed');

/** Whether a host is this machine's loopback. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
