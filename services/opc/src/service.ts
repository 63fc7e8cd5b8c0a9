import { createRocketMqSubscriber } from '@tpc/broker';
import {
  type Consumer,
  type ConsumerState,
  connectTpc,
  createConsumer,
  migrateClientStore,
  pendingClientMigrations,
  tpcOptionsFrom,
} from '@tpc/client/consumer';
import { withDeadline } from '@tpc/core';
import { NotificationServiceService } from '@tpc/gen/opc/v1/notification_service';
import {
  type BrokerConnection,
  brokerConnectionFrom,
  createDatabaseProbe,
  createHealthWatch,
  createPageTokens,
  type GrpcServer,
  guard,
  type HealthServer,
  type Log,
  type Metrics,
  migrateDatabase,
  needs,
  observePool,
  openDatabase,
  partLog,
  prepareDatabase,
  type Running,
  SHORT_REQUEST_BYTES,
  StartError,
  schemaOf,
  serve,
  startGrpcServer,
  startHealthServer,
  startMetrics,
  startTracing,
  stopAll,
  type Tracing,
  traceStatements,
} from '@tpc/platform';
import type { Knex } from 'knex';
import type { MailLinkState } from './adapters/mail-link.ts';
import { refuseWrongMailServer } from './adapters/refuse-wrong-mail-server.ts';
import { createSmtpMailer, type Mailer } from './adapters/smtp.ts';
import type { OpcConfig } from './config.ts';
import type { DeferralPolicy } from './domain/deferral.ts';
import { createNotificationService } from './grpc/notification-service.ts';
import { createSendEmailHandler, SEND_EMAIL_TOPIC } from './handlers/send-email.ts';
import { opcMigrations } from './store/migrations/index.ts';
import { readOrCreatePageTokenSecret } from './store/page-token-secret.ts';
import { watchMailServer } from './workers/watch-mail-server.ts';

/** How long messages in handling and reports may take at a stop, milliseconds; well below the limit of the process (15 s). */
const CONSUMER_STOP_MS = 8_000;
/** A real broker may take minutes until the group is known to it. */
const FIRST_REGISTRATION_MS = 300_000;
/** How long mails under way may take at a stop, milliseconds. Then their connections are closed, in time for their next try to be written. */
const MAILS_STOP_MS = 5_000;
/** A wait lies up to this share below or above its value, so that many mails do not come back at one moment. */
const RETRY_JITTER = 0.2;
const RETRY_FACTOR = 2;
/** The inbox's tables, and OPC's own. */
const SCHEMAS = [{ migrate: migrateClientStore, pending: pendingClientMigrations }, schemaOf(opcMigrations)];

export type OpcState = ConsumerState & { smtp: MailLinkState };

export interface OpcService extends Running {
  readonly grpcPort: number;
  /** Port of the metrics; undefined when none is set. */
  readonly metricsPort: number | undefined;
  /** Resolves when TPC has first accepted this instance: from then on, nothing that is sent to the group is missed. */
  registered(): Promise<void>;
  /** The consumer, its link to the broker and to TPC, and the link to the mail server. */
  state(): OpcState;
}

export type OpcServiceOptions = {
  config: OpcConfig;
  log: Log;
  /** Ends the waiting for a database that is away. */
  stopping?: AbortSignal;
  /** Default: by the settings. */
  tracing?: Tracing | undefined;
};

type Parts = { config: OpcConfig; log: Log; knex: Knex; metrics: Metrics; tracing: Tracing | undefined };

/**
 * Starts OPC: its database, NotificationService and the consumer. Its database, broker, TPC and mail server may be away: it keeps looking for them.
 * @throws StartError when a setting is wrong, the database refuses, a migration is missing or the port is taken
 */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: wiring: the parts in the order in which they start
export async function startOpcService({ config, log, stopping, tracing: given }: OpcServiceOptions): Promise<OpcService> {
  const undo: Running[] = [];
  try {
    const tracing = given ?? (await startTracing({ service: 'opc', config, log }));
    if (tracing && !given) undo.unshift(tracing);
    const probes = await startHealthServer({ host: config.BIND_HOST, port: config.HEALTH_PORT });
    undo.unshift(probes);
    const knex = openDatabase({ url: config.OPC_DATABASE_URL, setting: 'OPC_DATABASE_URL', poolMax: config.OPC_DATABASE_POOL });
    undo.unshift({ stop: () => knex.destroy() });
    if (tracing) traceStatements(knex, tracing);
    const { METRICS_HOST: host = config.BIND_HOST, OPC_METRICS_PORT: port } = config;
    const metrics = await startMetrics({ service: 'opc', host, port, portSetting: 'OPC_METRICS_PORT', log: partLog(log, 'metrics') });
    undo.unshift(metrics);
    observePool(metrics.meter, knex);
    await prepareDatabase(knex, {
      setting: 'OPC_DATABASE_URL',
      url: config.OPC_DATABASE_URL,
      mode: config.MIGRATE,
      schemas: SCHEMAS,
      log: partLog(log, 'database'),
      stopping,
    });
    const parts = { config, log, knex, metrics, tracing };
    const broker = await brokerConnectionFrom(config);
    const mailer = createMailer(parts);
    undo.unshift({ stop: async () => mailer.close() });
    await refuseWrongMailServer(mailer, config);
    const grpc = await startGrpc(parts, probes);
    undo.unshift(grpc);
    const consumer = createOpcConsumer({ ...parts, broker }, mailer, undo);
    undo.unshift({ stop: () => stopConsumer(consumer, mailer) });
    await consumer.start();
    watch(parts, { mailer, consumer, grpc }, undo);
    log.info({ grpc_port: grpc.port, consumer_group: config.OPC_CONSUMER_GROUP }, 'OPC runs');
    return {
      grpcPort: grpc.port,
      metricsPort: metrics.port,
      reload: grpc.reload,
      registered: () => consumer.registered({ timeoutMs: FIRST_REGISTRATION_MS }),
      state: () => ({ ...consumer.state(), smtp: mailer.state() }),
      stop: async () => {
        grpc.setHealth('', false);
        await stopAll(undo);
      },
    };
  } catch (error) {
    await stopAll(undo);
    throw error;
  }
}

/** Brings OPC's database up to date, and does nothing else. @throws StartError when it cannot */
export async function migrateOpc({ config, log, stopping }: { config: OpcConfig; log: Log; stopping: AbortSignal }): Promise<void> {
  await migrateDatabase({ setting: 'OPC_DATABASE_URL', url: config.OPC_DATABASE_URL, schemas: SCHEMAS, log, stopping });
}

function createMailer({ config, log, tracing }: Parts): Mailer {
  return createSmtpMailer({
    host: config.SMTP_HOST,
    port: config.SMTP_PORT,
    secure: config.SMTP_SECURE,
    starttls: config.SMTP_STARTTLS,
    user: config.SMTP_USER,
    password: config.SMTP_PASSWORD,
    from: config.SMTP_FROM,
    connections: config.OPC_CONCURRENCY,
    timeoutMs: config.SMTP_TIMEOUT_MS,
    hold: { firstWaitMs: config.OPC_RETRY_FIRST_MS, maxWaitMs: config.OPC_RETRY_MAX_MS },
    tracing: tracing?.messages,
    log: partLog(log, 'mail'),
  });
}

async function startGrpc({ config, log, knex, metrics, tracing }: Parts, probes: HealthServer): Promise<GrpcServer> {
  const tokens = createPageTokens(await readOrCreatePageTokenSecret(knex));
  const service = createNotificationService({ knex, group: config.OPC_CONSUMER_GROUP, tokens });
  return startGrpcServer({
    host: config.BIND_HOST,
    port: config.OPC_GRPC_PORT,
    portSetting: 'OPC_GRPC_PORT',
    domain: 'opc',
    services: [
      serve(
        NotificationServiceService,
        guard(service, () => needs('viewer', 'service')),
        { maxRequestBytes: SHORT_REQUEST_BYTES },
      ),
    ],
    access: { tokensSetting: 'OPC_TOKENS_FILE', tokensFile: config.OPC_TOKENS_FILE, reflection: config.GRPC_REFLECTION, tls: config },
    connections: config,
    health: probes.entries,
    tracing: tracing?.messages,
    meter: metrics.meter,
    log: partLog(log, 'grpc'),
  });
}

function createOpcConsumer(
  { config, log, knex, metrics, tracing, broker }: Parts & { broker: BrokerConnection },
  mailer: Mailer,
  undo: Running[],
): Consumer {
  const [, domain = ''] = config.SMTP_FROM.address.split(/@(?=[^@]*$)/);
  const { SMTP_TIMEOUT_MS: timeoutMs, OPC_CONCURRENCY: concurrency } = config;
  const handlers = { [SEND_EMAIL_TOPIC]: createSendEmailHandler({ mailer, domain, timeoutMs, concurrency, deferral: deferralOf(config) }) };
  const stranger = config.OPC_SUBSCRIPTIONS.find(({ topic }) => !(topic in handlers));
  if (stranger) throw new StartError(`OPC_SUBSCRIPTIONS: OPC cannot handle topic ${stranger.topic}; it knows ${Object.keys(handlers).join(', ')}`);
  const tpc = connect(config);
  undo.unshift({ stop: async () => tpc.close() });
  return createConsumer({
    knex,
    group: config.OPC_CONSUMER_GROUP,
    tpc,
    subscribe: (options) => createRocketMqSubscriber({ ...broker, logger: partLog(log, 'broker') }, options),
    subscriptions: config.OPC_SUBSCRIPTIONS,
    handlers,
    ...(tracing ? { tracer: tracing.tracer } : {}),
    leaseMs: config.OPC_LEASE_MS,
    retry: {
      firstWaitMs: config.OPC_RETRY_FIRST_MS,
      factor: RETRY_FACTOR,
      maxWaitMs: config.OPC_RETRY_MAX_MS,
      jitter: RETRY_JITTER,
      // Mails have an end of their own; what else fails here is our own database.
      maxAttempts: undefined,
    },
    ...(metrics.provider && { meterProvider: metrics.provider }),
    log: partLog(log, 'consumer'),
  });
}

function deferralOf(config: OpcConfig): DeferralPolicy {
  return {
    firstWaitMs: config.OPC_DEFER_FIRST_MS,
    maxWaitMs: Math.max(config.OPC_DEFER_FIRST_MS, config.OPC_DEFER_MAX_MS),
    lifeMs: config.OPC_DEFER_LIFE_MS,
    maxDeferrals: config.OPC_MAX_ATTEMPTS === 0 ? undefined : config.OPC_MAX_ATTEMPTS,
  };
}

/** @throws StartError naming the setting */
function connect(config: OpcConfig) {
  try {
    return connectTpc(tpcOptionsFrom(config));
  } catch (cause) {
    throw new StartError((cause as Error).message, { cause });
  }
}

/** A mail that hangs is given up and left due for whoever starts next; else it would wait for the end of its lease. */
async function stopConsumer(consumer: Consumer, mailer: Mailer): Promise<void> {
  const stopped = consumer.stop(CONSUMER_STOP_MS);
  await withDeadline(stopped, MAILS_STOP_MS, () => mailer.close());
  await stopped;
}

/** Health entries of the mail server: whether mails go out, and where they do not, which of the two is the reason. */
function mailHealth({ connected, refusal }: MailLinkState): Record<string, boolean> {
  const reachable = connected === true;
  return { smtp: reachable && refusal === '', smtp_reachable: reachable, smtp_accepting: refusal === '' };
}

/** Keeps health and the state of the link to the mail server true. */
function watch(
  { config, log, knex }: Parts,
  { mailer, consumer, grpc }: { mailer: Mailer; consumer: Consumer; grpc: GrpcServer },
  undo: Running[],
): void {
  const health = createHealthWatch({
    database: createDatabaseProbe(knex, opcMigrations.tableName),
    log: partLog(log, 'database'),
    setHealth: grpc.setHealth,
    parts: () => {
      const { broker, registration, subscriptionFaults } = consumer.state();
      const subscriptions = Object.values(subscriptionFaults).every((names) => names.length === 0);
      return { broker: broker?.connected === true, tpc: registration === 'registered', subscriptions, ...mailHealth(mailer.state()) };
    },
  });
  const mailServer = watchMailServer(mailer, consumer, { everyMs: config.SMTP_CHECK_MS, log: partLog(log, 'mail') });
  for (const worker of [health, mailServer]) {
    worker.start();
    undo.unshift(worker);
  }
}
