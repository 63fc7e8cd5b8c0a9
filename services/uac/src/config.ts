import { isIP } from 'node:net';
import { DEFAULT_PREPARE_BUDGET_MS } from '@tpc/client/producer';
import {
  bindSetting,
  connectionSettings,
  healthSettings,
  integerSetting,
  isRedisAddress,
  logSettings,
  metricsHostSetting,
  metricsPortSetting,
  migrateSetting,
  optionalBindSetting,
  portSetting,
  REDIS_ADDRESS_FORMS,
  reflectionSetting,
  secretSetting,
  tlsSettings,
  tokensFileSetting,
  tpcLinkSettings,
  tracingSettings,
} from '@tpc/platform';
import { z } from 'zod';
import type { TrustProxy } from './http/client-ip.ts';

/** Life of an activation link, minutes: a day, as in the original. */
export const DEFAULT_ACTIVATION_MINUTES = 24 * 60;
/** Life of an access token, minutes. */
export const DEFAULT_ACCESS_MINUTES = 15;
/** Life of a refresh token, hours: a week. */
export const DEFAULT_REFRESH_HOURS = 7 * 24;
/** Rounds of bcrypt as a power of two: about 70 ms. */
export const DEFAULT_BCRYPT_COST = 10;
/** Shortest key for access tokens: HS256 asks for 256 bits (RFC 7518, 3.2). */
const MIN_TOKEN_KEY_BYTES = 32;

const httpUrl = (name: string) =>
  z
    .string()
    .refine((url) => /^https?:\/\//.test(url) && URL.canParse(url), 'expected an address that begins with http:// or https://')
    .transform((url) => url.replace(/\/+$/, ''))
    .optional()
    .describe(name);

/** How long a mail may wait on its way, hours: as long as OPC defers one (OPC_DEFER_LIFE_MS). */
const DEFAULT_ACTIVATION_WAIT_HOURS = 5 * 24;

/** Requests of one ip in a minute; tries of one login name from one network in 15 minutes, and from everywhere in an hour. */
const DEFAULT_REGISTER_PER_IP = 60;
const DEFAULT_LOGIN_PER_IP = 60;
const DEFAULT_LOGIN_PER_NAME = 20;
const DEFAULT_LOGIN_PER_NAME_ANYWHERE = 200;

/** Names that Fastify knows for ranges of addresses. */
const RANGES = ['loopback', 'linklocal', 'uniquelocal'];

/** Trusting everybody would let everybody choose the ip that limits count. */
const trustProxySetting = () =>
  z
    .string()
    .default('')
    .transform((text, context): TrustProxy => {
      if (text === '' || text === '0') return false;
      if (/^\d$/.test(text)) return Number(text);
      const proxies = text.split(',').map((proxy) => proxy.trim());
      if (proxies.every(isProxy)) return proxies;
      context.addIssue({ code: 'custom', message: 'expected a number of proxies (1 to 9), or addresses: 10.0.0.0/8,loopback' });
      return z.NEVER;
    })
    .describe(
      'Whose X-Forwarded-For is believed: how many proxies stand in front, or their addresses (10.0.0.1, 10.0.0.0/8, loopback) with commas. Empty: nobody.',
    );

function isProxy(text: string): boolean {
  const [address = '', bits, more] = text.split('/');
  if (RANGES.includes(text)) return true;
  const max = isIP(address) === 4 ? 32 : 128;
  return isIP(address) !== 0 && more === undefined && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) >= 1 && Number(bits) <= max));
}

const perIp = (defaultValue: number, what: string) =>
  integerSetting(defaultValue, 0, 1_000_000).describe(`${what} that one ip (IPv6: one /64) may ask for in a minute over HTTP; 0: any number.`);

/** Parts of the log that can have a level of their own. */
const LOG_PARTS = ['producer', 'flows', 'http', 'key_value', 'database', 'grpc', 'metrics'];

/** Settings of UAC, read once from the environment. */
export const configSchema = z.object({
  BIND_HOST: bindSetting().describe('Address that UserService listens on. Only loopback as long as UAC_TOKENS_FILE is empty.'),
  ...tracingSettings,
  ...logSettings('uac', LOG_PARTS),
  MIGRATE: migrateSetting(),
  ...healthSettings,
  UAC_DATABASE_URL: secretSetting(
    z
      .string()
      .default('sqlite:./data/uac.db')
      .describe("UAC's database: sqlite:<file>, or mysql://user:password@host:port/database (MySQL 8, MariaDB 10.6 or newer)."),
  ),
  UAC_DATABASE_POOL: integerSetting(16, 4, 200).describe('Connections to the database at most (SQLite: always one).'),
  KEY_VALUE_URL: secretSetting(
    z
      .string()
      .refine((url) => /^sqlite:.+/.test(url) || isRedisAddress(url), `expected sqlite:<file> or ${REDIS_ADDRESS_FORMS}`)
      .default('sqlite:./data/uac-key-value.db')
      .describe(
        `Store of the rate limits: sqlite:<file>, ${REDIS_ADDRESS_FORMS}. Losing it loses nothing else; while it is away, nothing is limited.`,
      ),
  ),
  KEY_VALUE_CA_FILE: z
    .string()
    .optional()
    .describe('File with the authorities that may have signed the certificate of a rediss:// server, PEM. Default: those that Node knows.'),
  TPC_ADDRESS: z
    .string()
    .regex(/^\S+:\d+$/, 'expected host:port')
    .default('127.0.0.1:50051')
    .describe(
      'Address of TPC: host:port, or dns:///name:port, by which the calls are spread over all that the name leads to. UAC works without it; mails go out when it is back.',
    ),
  ...tpcLinkSettings,
  UAC_HTTP_PORT: portSetting(3000).describe('Port of the pages and of the paths under /auth; 0: the system chooses.'),
  UAC_HTTP_HOST: optionalBindSetting().describe('Address that the pages listen on; any, since they are for everybody. Default: BIND_HOST.'),
  UAC_TRUST_PROXY: trustProxySetting(),
  UAC_REGISTER_PER_IP: perIp(DEFAULT_REGISTER_PER_IP, 'Registrations'),
  UAC_LOGIN_PER_IP: perIp(DEFAULT_LOGIN_PER_IP, 'Logins'),
  UAC_LOGIN_PER_NAME: integerSetting(DEFAULT_LOGIN_PER_NAME, 0, 1_000_000).describe(
    'How often one login name may be tried in 15 minutes from one ip (IPv6: one /64), or by a browser that has logged in with it before; 0: any number.',
  ),
  UAC_LOGIN_PER_NAME_ANYWHERE: integerSetting(DEFAULT_LOGIN_PER_NAME_ANYWHERE, 0, 1_000_000).describe(
    'How often one login name may be tried in an hour from everywhere together; browsers that have logged in with it before are not counted; 0: any number.',
  ),
  UAC_GRPC_PORT: portSetting(50_052).describe('Port of UserService; 0: the system chooses.'),
  UAC_METRICS_PORT: metricsPortSetting(),
  METRICS_HOST: metricsHostSetting(),
  UAC_TOKENS_FILE: tokensFileSetting(),
  ...tlsSettings,
  GRPC_REFLECTION: reflectionSetting(),
  ...connectionSettings,
  UAC_PUBLIC_URL: httpUrl(
    'Where people reach UAC, for the links in mails. With https the session cookie is Secure. Default: http:// with UAC_HTTP_PORT.',
  ),
  INBOX_URL: httpUrl('Address of a page that shows the mails; the registration page links to it. Default: none.'),
  JAEGER_UI_URL: httpUrl("Address of Jaeger's pages; the pages link to the traces there. Default: none."),
  JAEGER_URL: httpUrl("Address of Jaeger's query API, linked to where JAEGER_UI_URL is empty. Default: none."),
  UAC_TOKEN_KEY: secretSetting(
    z
      .string()
      .refine((key) => Buffer.byteLength(key) >= MIN_TOKEN_KEY_BYTES, `expected at least ${MIN_TOKEN_KEY_BYTES} bytes`)
      .optional()
      .describe('Key that signs access tokens (HS256), at least 32 bytes, the same for all replicas. Default: a random one, kept in the database.'),
  ),
  UAC_ACTIVATION_MINUTES: integerSetting(DEFAULT_ACTIVATION_MINUTES, 1, 30 * 24 * 60).describe(
    'Life of an activation link from the sending of its mail, minutes; mails and pages say it.',
  ),
  UAC_ACTIVATION_WAIT_HOURS: integerSetting(DEFAULT_ACTIVATION_WAIT_HOURS, 0, 30 * 24).describe(
    'How long an activation mail may wait on its way, hours: added to the life of its link, since UAC does not learn when a mail leaves. At least OPC_DEFER_LIFE_MS.',
  ),
  UAC_ACTIVATE_BY_GET: z
    .enum(['true', 'false'], 'expected true or false')
    .default('false')
    .transform((value) => value === 'true')
    .describe(
      'true: the GET of a program (without Accept: text/html) on an activation link activates, as POST does; only while the pages listen on loopback. Mail scanners send such GETs, so it is for trying out alone.',
    ),
  UAC_ACCESS_TOKEN_MINUTES: integerSetting(DEFAULT_ACCESS_MINUTES, 1, 24 * 60).describe('Life of an access token, minutes.'),
  UAC_REFRESH_TOKEN_HOURS: integerSetting(DEFAULT_REFRESH_HOURS, 1, 365 * 24).describe('Life of a refresh token, hours.'),
  UAC_PREPARE_BUDGET_MS: integerSetting(DEFAULT_PREPARE_BUDGET_MS, 1, 60_000).describe(
    "How long a registration waits for TPC's answer to prepare before it commits without, milliseconds.",
  ),
  UAC_BCRYPT_COST: integerSetting(DEFAULT_BCRYPT_COST, 4, 15).describe('Rounds of bcrypt as a power of two; 10 takes about 70 ms.'),
});

export type UacConfig = z.output<typeof configSchema>;
