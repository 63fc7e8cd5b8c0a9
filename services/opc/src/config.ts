import {
  bindSetting,
  brokerSettings,
  connectionSettings,
  healthSettings,
  integerSetting,
  logSettings,
  metricsHostSetting,
  metricsPortSetting,
  migrateSetting,
  portSetting,
  reflectionSetting,
  secretSetting,
  tlsSettings,
  tokensFileSetting,
  tpcLinkSettings,
  tracingSettings,
} from '@tpc/platform';
import { z } from 'zod';
import { needsSmtpUtf8, parseMailAddress } from './domain/mail-address.ts';
import { parseSubscriptions } from './domain/subscriptions.ts';

/** What the original's OPC took of SEND_EMAIL_TOPIC (F-51). */
export const DEFAULT_SUBSCRIPTIONS = 'SEND_EMAIL_TOPIC@FORGOT_PASSWORD_AUTH_CODE||ACTIVE_USER||ACTIVE_USER_SUCCESS||RESET_LOGIN_PWD';
/** Mails at once (F-50). */
export const DEFAULT_CONCURRENCY = 2;
/**
 * Longest time for one mail in all, milliseconds. Giving up before a slow server answers DATA makes a repeat; a long time delays what a process
 * that died had begun.
 */
export const DEFAULT_SMTP_TIMEOUT_MS = 30_000;
/** How long a received message belongs to this process, milliseconds. */
export const DEFAULT_LEASE_MS = 60_000;
/** How often the mail server is looked for while nothing is sent, milliseconds. */
export const DEFAULT_SMTP_CHECK_MS = 30_000;
/** First and longest wait before the mail server is tried again that cannot be had or takes nothing from us, milliseconds. */
export const DEFAULT_RETRY_FIRST_MS = 2_000;
export const DEFAULT_RETRY_MAX_MS = 300_000;
/** First and longest wait of a mail that the server wants later, milliseconds. Most greylisting ends within minutes; a full mailbox or a domain takes days. */
export const DEFAULT_DEFER_FIRST_MS = 30_000;
export const DEFAULT_DEFER_MAX_MS = 14_400_000;
/** How long a mail may be deferred, milliseconds: five days. RFC 5321 §4.5.4.1 asks for at least four or five. */
export const DEFAULT_DEFER_LIFE_MS = 432_000_000;

/** `Name <address>` or a bare address. */
const sender = z
  .string()
  .default('no-reply@tpc.localhost')
  .transform((text, context) => {
    const named = /^([^<>\r\n]*)<([^<>]*)>$/.exec(text.trim());
    const address = parseMailAddress(named?.[2] ?? text);
    if (address !== undefined && needsSmtpUtf8(address)) {
      context.addIssue({
        code: 'custom',
        message: 'expected a local part in ASCII: others could be sent only where every mail server on the way has SMTPUTF8',
      });
      return z.NEVER;
    }
    if (address !== undefined) return { name: (named?.[1] ?? '').trim().replace(/^"(.*)"$/, '$1'), address };
    context.addIssue({ code: 'custom', message: 'expected an address, or Name <address>' });
    return z.NEVER;
  });

const subscriptions = z
  .string()
  .default(DEFAULT_SUBSCRIPTIONS)
  .transform((text, context) => {
    const read = parseSubscriptions(text);
    if ('subscriptions' in read) return read.subscriptions;
    context.addIssue({ code: 'custom', message: `${read.problem}; several topics with ; between them` });
    return z.NEVER;
  });

/** Parts of the log that can have a level of their own. */
const LOG_PARTS = ['consumer', 'broker', 'mail', 'database', 'grpc', 'metrics'];

/** Settings of OPC, read once from the environment. */
export const configSchema = z.object({
  BIND_HOST: bindSetting().describe('Address to listen on. Only loopback as long as OPC_TOKENS_FILE is empty.'),
  ...tracingSettings,
  ...logSettings('opc', LOG_PARTS),
  MIGRATE: migrateSetting(),
  ...healthSettings,
  OPC_DATABASE_URL: secretSetting(
    z
      .string()
      .default('sqlite:./data/opc.db')
      .describe("OPC's database, with the inbox: sqlite:<file>, or mysql://user:password@host:port/database (MySQL 8, MariaDB 10.6 or newer)."),
  ),
  OPC_DATABASE_POOL: integerSetting(16, 4, 200).describe('Connections to the database at most (SQLite: always one).'),
  OPC_GRPC_PORT: portSetting(50_053).describe('Port of NotificationService; 0: the system chooses.'),
  OPC_METRICS_PORT: metricsPortSetting(),
  METRICS_HOST: metricsHostSetting(),
  OPC_TOKENS_FILE: tokensFileSetting(),
  ...tlsSettings,
  GRPC_REFLECTION: reflectionSetting(),
  ...connectionSettings,
  ...brokerSettings(),
  TPC_ADDRESS: z
    .string()
    .default('127.0.0.1:50051')
    .describe('Address of TPC: host:port, or dns:///name:port, by which the calls are spread over all that the name leads to.'),
  ...tpcLinkSettings,
  OPC_CONSUMER_GROUP: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'expected 1 to 64 characters of [A-Za-z0-9_-]')
    .default('CID_OPC')
    .describe('Consumer group. One group has one inbox database.'),
  OPC_SUBSCRIPTIONS: subscriptions.describe(
    'Topics and tags that are taken: TOPIC@TAG||TAG, several with ; between them; TOPIC alone takes every tag.',
  ),
  OPC_CONCURRENCY: integerSetting(DEFAULT_CONCURRENCY, 1, 100).describe('Mails that are sent at once, each on a connection of its own.'),
  OPC_LEASE_MS: integerSetting(DEFAULT_LEASE_MS, 1_000, 3_600_000).describe(
    'How long a received message belongs to this process before another takes it over, milliseconds; at least twice SMTP_TIMEOUT_MS is used for mails.',
  ),
  OPC_RETRY_FIRST_MS: integerSetting(DEFAULT_RETRY_FIRST_MS, 10, 86_400_000).describe(
    'First wait before the mail server is tried again that cannot be had or takes no mail from us, milliseconds; doubled each time. All mails wait as long.',
  ),
  OPC_RETRY_MAX_MS: integerSetting(DEFAULT_RETRY_MAX_MS, 10, 86_400_000).describe('Longest of these waits, milliseconds.'),
  OPC_DEFER_FIRST_MS: integerSetting(DEFAULT_DEFER_FIRST_MS, 10, 86_400_000).describe(
    'First wait of a mail that the mail server wants later (greylisting, mailbox full, any 4xx about the mail), milliseconds; doubled each time.',
  ),
  OPC_DEFER_MAX_MS: integerSetting(DEFAULT_DEFER_MAX_MS, 10, 604_800_000).describe('Longest wait of such a mail, milliseconds.'),
  OPC_DEFER_LIFE_MS: integerSetting(DEFAULT_DEFER_LIFE_MS, 10, 2_592_000_000).describe(
    'How long a mail may be put off in all before it has failed (MAIL_EXPIRED), milliseconds. Time in which the mail server cannot be had or takes nothing from us does not count.',
  ),
  OPC_MAX_ATTEMPTS: integerSetting(0, 0, 1_000_000).describe(
    'Tries of a mail that the mail server puts off before it has failed; 0: OPC_DEFER_LIFE_MS alone decides.',
  ),
  SMTP_HOST: z.string().default('127.0.0.1').describe('Host of the mail server.'),
  SMTP_PORT: portSetting(1025).describe('Port of the mail server.'),
  SMTP_FROM: sender.describe("Sender of all mails: an address, or Name <address>. Its domain stands in each mail's Message-ID."),
  SMTP_SECURE: z
    .enum(['true', 'false'])
    .default('false')
    .transform((value) => value === 'true')
    .describe('true: TLS from the first byte (port 465).'),
  SMTP_STARTTLS: z.enum(['auto', 'required', 'off']).default('auto').describe('STARTTLS: auto where the server offers it, required, or off.'),
  SMTP_USER: z.string().optional().describe('Log-in at the mail server; empty: none.'),
  SMTP_PASSWORD: secretSetting(z.string().optional().describe('Password of SMTP_USER.')),
  SMTP_TIMEOUT_MS: integerSetting(DEFAULT_SMTP_TIMEOUT_MS, 100, 600_000).describe('Longest time for one mail in all, milliseconds.'),
  SMTP_CHECK_MS: integerSetting(DEFAULT_SMTP_CHECK_MS, 100, 3_600_000).describe(
    'How often the mail server is looked for while nothing is sent, for the health entry "smtp", milliseconds.',
  ),
});

export type OpcConfig = z.output<typeof configSchema>;
