/**
 * npm start: the whole product in one process on embedded parts. The services talk over the same gRPC, SMTP and broker protocol as anywhere; only
 * the outside parts are small.
 */
import { relative, resolve } from 'node:path';
import { orAborted } from '@tpc/core';
import { startEmbeddedBroker, startMailCatcher } from '@tpc/embedded';
import { configSchema as opcSchema, startOpcService } from '@tpc/opc-service';
import {
  assertWritable,
  createLog,
  formatSetting,
  isLoopback,
  type Log,
  levelSetting,
  loadConfig,
  logFrom,
  logPartsOf,
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
import { assertPortsFree, type WantedPort } from './lib/free-ports.ts';
import { lockFolder } from './lib/lock-folder.ts';
import { START_PORTS } from './lib/start-ports.ts';
import { startScreen } from './lib/start-screen.ts';
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

async function start(config: StartConfig, stopping: AbortSignal): Promise<Running> {
  const began = performance.now();
  refuseTokens();
  const folder = resolve(config.DATA_DIR);
  checkServices(config, folder);
  assertWritable(folder, 'DATA_DIR');
  const parts: Running[] = [];
  try {
    // The folder first: a second start on the same folder is told so, and not that all of its ports are taken.
    parts.push(lockFolder(folder));
    await assertPortsFree(wantedPorts(config), 'npm start');
    await startParts(config, folder, parts, began, stopping);
  } catch (error) {
    await stopAll(parts.reverse());
    throw error;
  }
  return { stop: () => stopAll(parts.reverse()) };
}

/** The mail server of SMTP_HOST has its port, and needs no inbox page. */
function wantedPorts(config: StartConfig): WantedPort[] {
  const ofCatcher = ['SMTP_PORT', 'INBOX_HTTP_PORT'];
  const ours = START_PORTS.filter((setting) => !config.SMTP_HOST || !ofCatcher.includes(setting));
  return ours.map((setting) => ({ setting, host: config.BIND_HOST, port: config[setting] }));
}

type Mail = Running & {
  /** Where the services find it. */
  settings: Record<string, string>;
  smtp: string;
  inbox: string | undefined;
};

/** All settings of the services are looked at before anything starts. */
function checkServices(config: StartConfig, folder: string): void {
  const env = environmentOf(config, folder, { broker: '127.0.0.1:1', mail: { SMTP_HOST: config.BIND_HOST } });
  for (const schema of [tpcSchema, uacSchema, opcSchema]) loadConfig(schema, env);
}

function environmentOf(config: StartConfig, folder: string, { broker, mail }: { broker: string; mail: Record<string, string> }) {
  const database = (name: string) => {
    const setting = `${name.toUpperCase()}_DATABASE_URL`;
    return process.env[`${setting}_FILE`] ? '' : process.env[setting] || `sqlite:${folder}/${name}.db`;
  };
  return {
    ...process.env,
    TPC_DATABASE_URL: database('tpc'),
    UAC_DATABASE_URL: database('uac'),
    OPC_DATABASE_URL: database('opc'),
    BROKER_ENDPOINTS: broker,
    ...mail,
    LOG_FORMAT: config.LOG_FORMAT,
    KEY_VALUE_URL: `sqlite:${folder}/key-value.db`,
    KEY_VALUE_URL_FILE: '',
    // One process: a port for the probes of three services makes no sense.
    HEALTH_PORT: '',
    TPC_METRICS_PORT: String(config.TPC_METRICS_PORT),
    UAC_METRICS_PORT: String(config.UAC_METRICS_PORT),
    OPC_METRICS_PORT: String(config.OPC_METRICS_PORT),
  };
}

/** Pushes each part as soon as it runs, and goes on only while nobody has asked to stop. */
type Keep = <P extends Running>(part: P) => P;

/** Starts in the order of the message's way back, so that everyone finds the ones it needs. */
async function startParts(config: StartConfig, folder: string, parts: Running[], began: number, stopping: AbortSignal): Promise<void> {
  const keep: Keep = (part) => {
    parts.push(part);
    stopping.throwIfAborted();
    return part;
  };
  const at = (port: number) => `${urlHost(config.BIND_HOST)}:${port}`;
  const { BIND_HOST: host, BROKER_GRPC_PORT: port } = config;
  const broker = keep(await naming(config, ['BROKER_GRPC_PORT'], startEmbeddedBroker({ file: `${folder}/broker.db`, host, port })));
  const mail = keep(await startMail(config, folder));
  const env = environmentOf(config, folder, { broker: at(broker.port), mail: mail.settings });
  const logs = new QuietLogs();
  const tracing = config.TRACE ? createTracePrinter((text) => console.log(text)) : undefined;
  const tpcConfig = loadConfig(tpcSchema, env);
  const tpc = keep(await startTpcService({ config: tpcConfig, log: logs.make('tpc', tpcConfig), tracing: tracing?.('tpc') }));
  const withTpc = { ...env, TPC_ADDRESS: at(tpc.grpcPort) };
  const opcConfig = loadConfig(opcSchema, withTpc);
  const opc = keep(await startOpcService({ config: opcConfig, log: logs.make('opc', opcConfig), tracing: tracing?.('opc') }));
  // A message without a subscriber would be refused: the consumer is there before the first producer serves.
  await orAborted(opc.registered(), stopping);
  stopping.throwIfAborted();
  const uacConfig = loadConfig(uacSchema, withTpc);
  const uac = keep(await startUacService({ config: uacConfig, log: logs.make('uac', uacConfig), tracing: tracing?.('uac') }));
  console.log(
    startScreen({
      seconds: (performance.now() - began) / 1000,
      pages: `http://${at(uac.httpPort)}`,
      inbox: mail.inbox,
      grpc: { TPC: at(tpc.grpcPort), UAC: at(uac.grpcPort), OPC: at(opc.grpcPort) },
      broker: at(broker.port),
      smtp: mail.smtp,
      metrics: [tpc, uac, opc].flatMap(({ metricsPort }) => metricsPort ?? []),
      folder: relative('.', folder).startsWith('..') ? folder : `./${relative('.', folder)}`,
    }),
  );
  logs.speak();
}

/** Starts the mail catcher, unless mail goes to another server; answers with what the services and people need to know of it. */
async function startMail(config: StartConfig, folder: string): Promise<Mail> {
  const { BIND_HOST: host, SMTP_HOST: other, SMTP_PORT: smtpPort, INBOX_HTTP_PORT: httpPort } = config;
  if (other) {
    const settings = { SMTP_PORT: String(smtpPort) };
    return { settings, smtp: `${urlHost(other)}:${smtpPort}`, inbox: undefined, stop: async () => undefined };
  }
  const links = [{ label: { en: 'Register', zh: '注册' }, url: `http://${urlHost(host)}:${config.UAC_HTTP_PORT}/` }];
  const log = createLog({ service: 'inbox', level: config.LOG_LEVEL, format: config.LOG_FORMAT });
  const starting = startMailCatcher({ file: `${folder}/mail.db`, host, smtpPort, httpPort, links, log });
  const mail = await naming(config, ['SMTP_PORT', 'INBOX_HTTP_PORT'], starting);
  const inbox = `http://${urlHost(host)}:${mail.httpPort}`;
  return {
    settings: { SMTP_HOST: host, SMTP_PORT: String(mail.smtpPort), INBOX_URL: inbox, UAC_ACTIVATE_BY_GET: activateByGet(host) },
    smtp: `${urlHost(host)}:${mail.smtpPort}`,
    inbox,
    stop: () => mail.stop(),
  };
}

/**
 * Here, and nowhere else, a program's plain GET on an activation link activates: the acceptance run of the project still follows the link that way. No scanner
 * reads these mails, since they go to the catcher of this process, on loopback; the pages are on loopback too, else it stays off. A browser gets the button.
 */
function activateByGet(host: string): string {
  return process.env.UAC_ACTIVATE_BY_GET || String(isLoopback(host) && isLoopback(process.env.UAC_HTTP_HOST || host));
}

/** The services' logs: the screen at the end says what they would say of a start that goes well, so until then they only warn. */
class QuietLogs {
  readonly #made: Log[] = [];

  make(service: string, config: Parameters<typeof logFrom>[1]): Log {
    const log = logFrom(service, config);
    if (config.LOG_LEVEL === 'info') logPartsOf(log)?.set('', 'warn');
    this.#made.push(log);
    return log;
  }

  /** From now on they say what the settings ask for. */
  speak(): void {
    for (const log of this.#made) logPartsOf(log)?.set('', undefined);
  }
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

const given = process.argv.slice(2);
const args = given.filter((arg) => arg !== '--trace');
const env = given.length > args.length ? { ...process.env, TRACE: 'true' } : process.env;
const program = { name: 'tpc', about: ABOUT, schema: startSchema, otherSchemas: [tpcSchema, uacSchema, opcSchema], switches: ['--trace'], start };
await runProgram(program, { args, env });
