import { join, resolve } from 'node:path';
import { integerSetting } from '@tpc/platform';
import { z } from 'zod';

const port = (defaultPort: number) => integerSetting(defaultPort, 1_024, 65_535);

const names = (what: string, defaultValue: string) =>
  z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}(,[A-Za-z0-9_-]{1,64})*$/, `expected names of ${what} with commas between them`)
    .default(defaultValue)
    .transform((text) => text.split(','));

/** Settings of the stack, by environment variable. The ports' defaults are neither the usual ones of these programs nor those of npm start. */
export const stackSchema = z.object({
  STACK_DIR: z.string().default('./.cache/stack').describe('Folder of state, logs and process ids; made when it is not there.'),
  STACK_MYSQL_PORT: port(13_306).describe('MariaDB.'),
  STACK_REDIS_PORT: port(16_379).describe('Redis.'),
  STACK_BROKER_PORT: port(18_081).describe("RocketMQ's proxy, gRPC: what the services talk to."),
  STACK_BROKER_HOST: z
    .string()
    .regex(/^127\.\d+\.\d+\.\d+$/, 'expected an address of loopback, 127.x.x.x')
    .default('127.0.0.1')
    .describe("Address at which RocketMQ's clients are told to find its proxy; another one than 127.0.0.1 needs something there that passes it on."),
  STACK_NAME_SERVER_PORT: port(19_876).describe("RocketMQ's name server."),
  STACK_STORE_PORT: port(20_911).describe("RocketMQ's broker; it also takes the port 2 below and the two above."),
  STACK_SMTP_PORT: port(11_025).describe('Mail catcher.'),
  STACK_INBOX_PORT: port(18_025).describe('Inbox page of the mail catcher.'),
  STACK_OTLP_PORT: port(14_317).describe('Jaeger, with up --tracing: where the services send their spans (OTLP over gRPC).'),
  STACK_JAEGER_PORT: port(26_686).describe('Jaeger: its query API, http://127.0.0.1:26686/api/traces; it also takes the port above.'),
  STACK_TOPICS: names('topics', 'SEND_EMAIL_TOPIC').describe('Topics that up makes where they are missing, with commas between them.'),
  STACK_GROUPS: names('consumer groups', 'CID_OPC').describe('Consumer groups that up makes where they are missing.'),
  STACK_TRACING: z
    .enum(['true', 'false'], 'expected true or false')
    .default('false')
    .transform((value) => value === 'true')
    .describe('true: with Jaeger, as by up --tracing.'),
  STACK_FLUSH: z
    .enum(['async', 'sync'], 'expected async or sync')
    .default('async')
    .describe('How RocketMQ writes: async is its default; sync waits for the disk. A killed process loses nothing either way.'),
});

export type StackSettings = z.output<typeof stackSchema>;

/** Everything listens here and nowhere else. */
export const HOST = '127.0.0.1';
/** The user that the services work as. The server is reached over loopback alone, so the password keeps nobody out; it is there to be checked. */
export const DATABASE_USER = 'tpc';
export const DATABASE_PASSWORD = 'tpc';
export const DATABASES = ['tpc', 'uac', 'opc'] as const;

/** Where a part keeps its state. */
export function stateFolder(settings: StackSettings, part: string): string {
  return join(resolve(settings.STACK_DIR), 'state', part);
}

export function logFile(settings: Pick<StackSettings, 'STACK_DIR'>, part: string): string {
  return join(resolve(settings.STACK_DIR), 'logs', `${part}.log`);
}

/** Installed programs do not depend on STACK_DIR: several stacks share them. */
export function installFolder(): string {
  return resolve(import.meta.dirname, '../../.cache/stack/install');
}
