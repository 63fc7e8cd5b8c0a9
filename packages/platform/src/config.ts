import { isIP } from 'node:net';
import { z } from 'zod';
import { StartError } from './errors.ts';

/** A configuration is a zod object whose keys are the environment variables' names, each with `.describe()` and a default. */
export type ConfigSchema = z.ZodObject<z.ZodRawShape>;

/**
 * Reads a configuration from the environment. Empty values count as absent.
 * @throws StartError with one line for each bad key: its name, its value, what was expected
 */
export function loadConfig<S extends ConfigSchema>(schema: S, env: Readonly<Record<string, string | undefined>>): z.output<S> {
  const given = Object.fromEntries(
    Object.keys(schema.shape)
      .map((key) => [key, env[key]] as const)
      .filter(([, value]) => value !== undefined && value !== ''),
  );
  const result = schema.safeParse(given);
  if (result.success) return result.data as z.output<S>;
  const lines = result.error.issues.map((issue) => {
    const key = String(issue.path[0] ?? '');
    const value = given[key];
    return `${key}${value === undefined ? '' : `="${isSecret(key) ? '…' : value}"`}: ${issue.message}`;
  });
  throw new StartError(`bad setting: ${lines.join('; ')}`);
}

function isSecret(key: string): boolean {
  return /PASSWORD|SECRET|TOKEN|URL/.test(key);
}

/** Rows for docs/configuration.md: key, default, description. */
export function describeConfig(schema: ConfigSchema): { key: string; defaultValue: string; description: string }[] {
  return Object.entries(schema.shape).map(([key, field]) => {
    const type = field as z.ZodType;
    const empty = type.safeParse(undefined);
    return { key, defaultValue: empty.success ? defaultText(type, empty.data) : 'required', description: type.description ?? '' };
  });
}

/** A default as one would write it: where a setting is read into an object or list, what stood before that. */
function defaultText(type: z.ZodType, value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value ?? '');
  if (type instanceof z.ZodPipe) return defaultText(type.in as z.ZodType, (type.in as z.ZodType).safeParse(undefined).data);
  return JSON.stringify(value);
}

/** A TCP port; 0 lets the system choose. */
export const portSetting = (defaultPort: number) => port().default(defaultPort);

/** A TCP port that need not be set. */
export const optionalPortSetting = () => port().optional();

const port = () =>
  z
    .string()
    .regex(/^\d{1,5}$/, 'expected a port, 0 to 65535')
    .transform(Number)
    .refine((number) => number <= 65_535, 'expected a port, 0 to 65535');

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
