/**
 * npm start: the whole product in one process on embedded parts. The services talk over the same gRPC, SMTP and broker protocol as anywhere; only
 * the outside parts are small.
 */
import { resolve } from 'node:path';
import { startEmbeddedBroker, startMailCatcher } from '@tpc/embedded';
import { configSchema as opcSchema, startOpcService } from '@tpc/opc-service';
import {
  assertWritable,
  createLog,
  formatSetting,
  isLoopback,
  levelSetting,
  loadConfig,
  logFrom,
  loopbackSetting,
  portSetting,
  type Running,
  runProgram,
  StartError,
  stopAll,
} from '@tpc/platform';
import { startTpcService, configSchema as tpcSchema } from '@tpc/tpc-service';
import { startUacService, configSchema as uacSchema } from '@tpc/uac-service';
import { z } from 'zod';
import { lockFolder } from './lib/lock-folder.ts';
import { createTracePrinter } from './trace/trace-printer.ts';

const startSchema = z.object({
  DATA_DIR: z.string().default('./data').describe('Folder of all state; made when it is not there.'),
  BIND_HOST: loopbackSetting().describe('Address that everything listens on.'),
  UAC_HTTP_PORT: portSetting(3000).describe('Registration, activation and login pages.'),
  INBOX_HTTP_PORT: portSetting(8025).describe('Inbox page, and the mails as JSON in the way of Mailpit.'),
  SMTP_HOST: z
    .string()
    .optional()
    .describe('Another mail server, which then gets all mail; there is no mail catcher and no inbox page then. Empty: the mail catcher.'),
  SMTP_PORT: portSetting(1025).describe('Mail catcher, or the port of SMTP_HOST.'),
  BROKER_GRPC_PORT: portSetting(8081).describe('Embedded broker, RocketMQ 5 protocol.'),
  TPC_GRPC_PORT: portSetting(50051).describe('TPC.'),
  UAC_GRPC_PORT: portSetting(50052).describe('UAC.'),
  OPC_GRPC_PORT: portSetting(50053).describe('OPC.'),
  TPC_METRICS_PORT: portSetting(9464).describe("TPC's metrics for Prometheus, at /metrics."),
  UAC_METRICS_PORT: portSetting(9465).describe("UAC's metrics."),
  OPC_METRICS_PORT: portSetting(9466).describe("OPC's metrics."),
  LOG_LEVEL: levelSetting(),
  LOG_FORMAT: formatSetting('text'),
  TRACE: z
    .enum(['true', 'false'], 'expected true or false')
    .default('false')
    .transform((value) => value === 'true')
    .describe('true: prints the trace of each message as a waterfall, as by npm start -- --trace.'),
});
type StartConfig = z.output<typeof startSchema>;

const ABOUT = `npm start: TPC, UAC and OPC in one process on embedded parts (SQLite, a broker that speaks RocketMQ 5's protocol, a mail catcher).
Each service's own settings (docs/configuration.md) may be set as well. Ctrl-C stops everything; the state stays in DATA_DIR.
--trace prints the trace of each message as a waterfall.`;

const given = process.argv.slice(2);
const args = given.filter((arg) => arg !== '--trace');
const env = given.length > args.length ? { ...process.env, TRACE: 'true' } : process.env;
await runProgram({ name: 'tpc', about: ABOUT, schema: startSchema, start }, { args, env });

async function start(config: StartConfig): Promise<Running> {
  const began = performance.now();
  refuseTokens();
  const folder = resolve(config.DATA_DIR);
  assertWritable(folder);
  const parts: Running[] = [];
  try {
    parts.push(lockFolder(folder));
    await startParts(config, folder, parts, began);
  } catch (error) {
    await stopAll(parts.reverse());
    throw error;
  }
  return { stop: () => stopAll(parts.reverse()) };
}

/** Starts in the order of the message's way back, so that everyone finds the ones it needs; pushes each part as soon as it runs. */
async function startParts(config: StartConfig, folder: string, parts: Running[], began: number): Promise<void> {
  const host = config.BIND_HOST;
  const keep = <P extends Running>(part: P): P => {
    parts.push(part);
    return part;
  };
  const broker = keep(
    await naming(config, ['BROKER_GRPC_PORT'], startEmbeddedBroker({ file: `${folder}/broker.db`, host, port: config.BROKER_GRPC_PORT })),
  );
  const mail = await startMail(config, folder, parts);
  const database = (name: string) => {
    const setting = `${name.toUpperCase()}_DATABASE_URL`;
    return process.env[`${setting}_FILE`] ? '' : process.env[setting] || `sqlite:${folder}/${name}.db`;
  };
  const env = {
    ...process.env,
    TPC_DATABASE_URL: database('tpc'),
    UAC_DATABASE_URL: database('uac'),
    OPC_DATABASE_URL: database('opc'),
    BROKER_ENDPOINTS: `${urlHost(host)}:${broker.port}`,
    ...mail.settings,
    LOG_FORMAT: config.LOG_FORMAT,
    KEY_VALUE_URL: `sqlite:${folder}/key-value.db`,
    KEY_VALUE_URL_FILE: '',
    // One process: a port for the probes of three services makes no sense.
    HEALTH_PORT: '',
    TPC_METRICS_PORT: String(config.TPC_METRICS_PORT),
    UAC_METRICS_PORT: String(config.UAC_METRICS_PORT),
    OPC_METRICS_PORT: String(config.OPC_METRICS_PORT),
  };
  const tracing = config.TRACE ? createTracePrinter((text) => console.log(text)) : undefined;
  const tpcConfig = loadConfig(tpcSchema, env);
  const tpc = keep(await startTpcService({ config: tpcConfig, log: logFrom('tpc', tpcConfig), tracing: tracing?.('tpc') }));
  const withTpc = { ...env, TPC_ADDRESS: `${urlHost(host)}:${tpc.grpcPort}` };
  const opcConfig = loadConfig(opcSchema, withTpc);
  const opc = keep(await startOpcService({ config: opcConfig, log: logFrom('opc', opcConfig), tracing: tracing?.('opc') }));
  // A message without a subscriber would be refused: the consumer is there before the first producer serves.
  await opc.registered();
  const uacConfig = loadConfig(uacSchema, withTpc);
  const uac = keep(await startUacService({ config: uacConfig, log: logFrom('uac', uacConfig), tracing: tracing?.('uac') }));
  const pages = `http://${urlHost(host)}:${uac.httpPort}`;
  console.log(`
TPC is up after ${((performance.now() - began) / 1000).toFixed(1)} s.

  Register a user    ${pages}/
  Log in             ${pages}/login
  Inbox              ${mail.inbox}
  TPC  (gRPC)        ${urlHost(host)}:${tpc.grpcPort}    grpcurl -plaintext ${urlHost(host)}:${tpc.grpcPort} list
  UAC  (gRPC)        ${urlHost(host)}:${uac.grpcPort}
  OPC  (gRPC)        ${urlHost(host)}:${opc.grpcPort}
  Broker, SMTP       ${urlHost(host)}:${broker.port}, ${mail.smtp}
  Metrics            ${[tpc, uac, opc].map(({ metricsPort }) => `http://${urlHost(host)}:${metricsPort}/metrics`).join(', ')}
  State              ${folder}

No access tokens are configured: everything on this machine may call everything. Ctrl-C stops.`);
}

type Mail = { settings: Record<string, string>; smtp: string; inbox: string };

/** Starts the mail catcher, unless mail goes to another server; answers with what the services and people need to know of it. */
async function startMail(config: StartConfig, folder: string, parts: Running[]): Promise<Mail> {
  const { BIND_HOST: host, SMTP_HOST: other, SMTP_PORT: smtpPort, INBOX_HTTP_PORT: httpPort } = config;
  if (other) {
    const smtp = `${urlHost(other)}:${smtpPort}`;
    return { settings: { SMTP_PORT: String(smtpPort) }, smtp, inbox: `none: all mail goes to ${smtp} (SMTP_HOST)` };
  }
  const links = [{ label: 'Register', url: `http://${urlHost(host)}:${config.UAC_HTTP_PORT}/` }];
  const log = createLog({ service: 'inbox', level: config.LOG_LEVEL, format: config.LOG_FORMAT });
  const starting = startMailCatcher({ file: `${folder}/mail.db`, host, smtpPort, httpPort, links, log });
  const mail = await naming(config, ['SMTP_PORT', 'INBOX_HTTP_PORT'], starting);
  parts.push(mail);
  const inbox = `http://${urlHost(host)}:${mail.httpPort}`;
  return {
    settings: { SMTP_HOST: host, SMTP_PORT: String(mail.smtpPort), INBOX_URL: inbox, UAC_ACTIVATE_BY_GET: activateByGet(host) },
    smtp: `${urlHost(host)}:${mail.smtpPort}`,
    inbox: `${inbox}/`,
  };
}

/**
 * Here, and nowhere else, a program's plain GET on an activation link activates: the acceptance run of the project still follows the link that way. No scanner
 * reads these mails, since they go to the catcher of this process, on loopback; the pages are on loopback too, else it stays off. A browser gets the button.
 */
function activateByGet(host: string): string {
  return process.env.UAC_ACTIVATE_BY_GET || String(isLoopback(host) && isLoopback(process.env.UAC_HTTP_HOST || host));
}

/** One process has one environment, and UAC and OPC are two groups with a token each. */
function refuseTokens(): void {
  const set = ['TPC_TOKENS_FILE', 'UAC_TOKENS_FILE', 'OPC_TOKENS_FILE', 'TLS_CLIENT_CA_FILE', 'TLS_CERT_FILE'].find((name) => process.env[name]);
  if (set)
    throw new StartError(`${set}: npm start knows neither tokens nor TLS; start the services one by one (npm run start:tpc, start:uac, start:opc)`);
}

/** The embedded parts know ports, not settings: an error that speaks of a port is told by its setting's name. */
async function naming<P>(config: StartConfig, settings: readonly (keyof StartConfig)[], starting: Promise<P>): Promise<P> {
  try {
    return await starting;
  } catch (cause) {
    const { message } = cause as Error;
    const setting = settings.find((name) => config[name] !== 0 && new RegExp(`\\b${config[name]}\\b`).test(message));
    throw new StartError(setting ? `${setting}: ${message}` : message, { cause });
  }
}

function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
