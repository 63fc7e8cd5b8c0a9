import { type BrokerPublisher, createRocketMqPublisher } from '@tpc/broker';
import { dialectOf, type MessageTracer, type Migrations } from '@tpc/core';
import {
  brokerConnectionFrom,
  createPageTokens,
  type GrpcServer,
  type HealthServer,
  type Log,
  type Metrics,
  migrateDatabase,
  observePool,
  openDatabase,
  partLog,
  type Running,
  StartError,
  schemaOf,
  startGrpcServer,
  startHealthServer,
  startMetrics,
  startTracing,
  stopAll,
  type Tracing,
} from '@tpc/platform';
import type { Knex } from 'knex';
import { watchBrokerLink } from './adapters/broker-link.ts';
import { connectDatabase } from './adapters/database-link.ts';
import { BodyLimit } from './adapters/packet-limit.ts';
import type { TpcConfig } from './config.ts';
import { createWrites } from './flows/create-writes.ts';
import { createPublishing } from './flows/publishing.ts';
import { tpcServices } from './grpc/services.ts';
import { meteredBroker } from './metrics/metered-broker.ts';
import { meteredStore } from './metrics/metered-store.ts';
import { observeBacklog } from './metrics/observe-backlog.ts';
import { createTpcMetrics } from './metrics/tpc-metrics.ts';
import { idleTransactionSeconds, policiesOf } from './policies.ts';
import { createStore } from './store/create-store.ts';
import { STEPS } from './store/migrations/index.ts';
import type { StoreObserver } from './store/store-types.ts';
import { createCheckBackWorker } from './workers/check-back.ts';
import { createOverdueWorker } from './workers/mark-overdue.ts';
import { createPublishDueWorker } from './workers/publish-due.ts';
import { createFarDueWorker } from './workers/pull-in-far-due.ts';
import { createRedeliverWorker } from './workers/redeliver.ts';
import { createResumeWorker } from './workers/resume-unsubscribed.ts';
import { createReviewWorker } from './workers/review-subscriptions.ts';

/** Recorded under a name of its own, so that several lists share a database. */
const MIGRATIONS: Migrations = { tableName: 'tpc_migration', list: STEPS };
const DAY_MS = 86_400_000;
/** How long publishes under way may take at a stop, milliseconds; what is not done then is done by another replica or at the next start. */
const BROKER_STOP_MS = 3_000;

/** Most message keys in one line of the log. */
const MAX_LOGGED_KEYS = 20;

/** First and longest waits that belong together. */
const WAIT_PAIRS = [
  ['TPC_PUBLISH_RETRY_FIRST_MS', 'TPC_PUBLISH_RETRY_MAX_MS'],
  ['TPC_CHECK_FIRST_MS', 'TPC_CHECK_MAX_MS'],
  ['TPC_REDELIVER_FIRST_MS', 'TPC_REDELIVER_MAX_MS'],
] as const;

export interface TpcService extends Running {
  /** Port of the gRPC server. */
  readonly grpcPort: number;
  /** Port of the metrics; undefined when none is set. */
  readonly metricsPort: number | undefined;
}

export type TpcServiceOptions = {
  config: TpcConfig;
  log: Log;
  /** Default: by the settings. */
  tracing?: Tracing | undefined;
};

/**
 * Starts TPC: database, store, broker publisher, workers, gRPC server. While the database is away it listens and says NOT_SERVING; while the broker is
 * away it takes messages and keeps them.
 * @throws StartError for a setting that cannot work
 */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: wiring: the parts in the order in which they start
export async function startTpcService({ config, log, tracing: given }: TpcServiceOptions): Promise<TpcService> {
  checkSettings(config);
  const tracing = given ?? (await startTracing({ service: 'tpc', config, log }));
  const ownTracing = given ? undefined : tracing;
  const knex = openDatabase({
    url: config.TPC_DATABASE_URL,
    setting: 'TPC_DATABASE_URL',
    poolMax: config.TPC_DATABASE_POOL,
    idleTransactionS: idleTransactionSeconds(config.TPC_PUBLISH_LEASE_MS),
    // The store passes every value by a placeholder.
    multipleStatements: true,
  });
  const { METRICS_HOST: metricsHost = config.BIND_HOST, TPC_METRICS_PORT: metricsPort } = config;
  let metrics: Metrics | undefined;
  let server: GrpcServer | undefined;
  let health: HealthServer | undefined;
  try {
    health = await startHealthServer({ host: config.BIND_HOST, port: config.HEALTH_PORT });
    metrics = await startMetrics({
      service: 'tpc',
      host: metricsHost,
      port: metricsPort,
      portSetting: 'TPC_METRICS_PORT',
      log: partLog(log, 'metrics'),
    });
    const broker = createRocketMqPublisher({ ...(await brokerConnectionFrom(config)), logger: partLog(log, 'broker'), tracing: tracing?.messages });
    const parts = build(config, log, knex, broker, metrics, tracing?.messages);
    server = await startGrpcServer({
      host: config.BIND_HOST,
      port: config.TPC_GRPC_PORT,
      portSetting: 'TPC_GRPC_PORT',
      domain: 'tpc',
      services: parts.services,
      access: { tokensSetting: 'TPC_TOKENS_FILE', tokensFile: config.TPC_TOKENS_FILE, reflection: config.GRPC_REFLECTION, tls: config },
      connections: config,
      health: health.entries,
      tracing: tracing?.messages,
      meter: metrics.meter,
      log: partLog(log, 'grpc'),
    });
    return await run({ config, log, knex, broker, parts: { ...parts, ownTracing }, server, health });
  } catch (error) {
    await server?.stop();
    await health?.stop();
    await metrics?.stop();
    await knex.destroy();
    await ownTracing?.stop();
    throw error;
  }
}

/** Brings TPC's database up to date, and does nothing else. @throws StartError when it cannot */
export async function migrateTpc({ config, log, stopping }: { config: TpcConfig; log: Log; stopping: AbortSignal }): Promise<void> {
  await migrateDatabase({ setting: 'TPC_DATABASE_URL', url: config.TPC_DATABASE_URL, schemas: [schemaOf(MIGRATIONS)], log, stopping });
}

type Parts = ReturnType<typeof build> & { ownTracing: Tracing | undefined };

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: wiring: the parts in the order in which they start
function build(config: TpcConfig, log: Log, knex: Knex, publisher: BrokerPublisher, metrics: Metrics, tracing: MessageTracer | undefined) {
  const noted = createTpcMetrics(metrics.meter);
  const storeLog = partLog(log, 'store');
  const observer: StoreObserver = {
    ...noted.observer,
    onStrayCopies: (keys) =>
      storeLog.error(
        { message_keys: keys.slice(0, MAX_LOGGED_KEYS), count: keys.length },
        'set messages aside as DEAD (STRAY_COPIES): copies of lost messages stood at their ids; were tables restored to different times?',
      ),
  };
  const store = meteredStore(createStore(knex, { policies: policiesOf(config), observer }), noted);
  const broker = meteredBroker(publisher, noted);
  observeBacklog(metrics.meter, () => (state.ready ? store.readBacklog() : Promise.reject(new Error('the schema is not there yet'))));
  observePool(metrics.meter, knex);
  const publishLog = partLog(log, 'publish');
  const publishing = createPublishing({ store, broker, log: publishLog, leaseMs: config.TPC_PUBLISH_LEASE_MS, tracing });
  const writes = createWrites({
    store,
    publishing,
    maxQueued: config.TPC_MAX_QUEUED,
    contentCacheBytes: config.TPC_CONTENT_CACHE_BYTES,
    tracing: tracing && { messages: tracing, database: dialectOf(knex).name },
    onContentError: (err) => publishLog.warn({ err }, 'body not read after a confirm; published when its lease ends'),
  });
  const claimCount = config.TPC_CLAIM_COUNT;
  const publishDue = createPublishDueWorker({ store, publishing, log: publishLog, config: { pollMs: config.TPC_PUBLISH_POLL_MS, claimCount } });
  const redeliver = createRedeliverWorker({
    store,
    publishing,
    log: partLog(log, 'redeliver'),
    config: { pollMs: config.TPC_REDELIVER_POLL_MS, claimCount },
  });
  const onResumed = publishDue.wake;
  const resume = createResumeWorker({ store, onResumed, log: partLog(log, 'resume'), config: { pollMs: config.TPC_RESUME_POLL_MS, claimCount } });
  const overdue = createOverdueWorker({ store, log: partLog(log, 'overdue'), config: { pollMs: config.TPC_OVERDUE_POLL_MS, claimCount } });
  const checkBack = createCheckBackWorker({ store, log: partLog(log, 'check_back'), config: { pollMs: config.TPC_CHECK_POLL_MS } });
  const review = createReviewWorker({
    store,
    onDue: redeliver.wake,
    log: partLog(log, 'redeliver'),
    config: { pollMs: config.TPC_HEARTBEAT_INTERVAL_MS },
  });
  const farDue = createFarDueWorker({ store, log: partLog(log, 'database'), config: { leaseMs: config.TPC_PUBLISH_LEASE_MS } });
  const state = { ready: false };
  const bodyLimit = new BodyLimit(config.TPC_MAX_BODY_BYTES, partLog(log, 'database'));
  const services = tpcServices({
    store,
    writes,
    checkBack,
    pageTokens: createPageTokens(Buffer.from(config.TPC_PAGE_TOKEN_SECRET || config.TPC_DATABASE_URL)),
    maxBodyBytes: () => bodyLimit.bytes,
    heartbeatIntervalMs: config.TPC_HEARTBEAT_INTERVAL_MS,
    messageRetentionMs: config.TPC_MESSAGE_RETENTION_DAYS * DAY_MS,
    brokerRetentionMs: config.TPC_BROKER_RETENTION_DAYS * DAY_MS,
    onSubscribed: resume.wake,
    onResent: redeliver.wake,
    isReady: () => state.ready,
    tracing,
    log: partLog(log, 'grpc'),
  });
  return {
    metrics,
    publishing,
    writes,
    state,
    bodyLimit,
    services,
    workers: [publishDue, redeliver, resume, overdue, review, farDue, checkBack],
    onBrokerBack: [publishDue, redeliver],
  };
}

type Run = { config: TpcConfig; log: Log; knex: Knex; broker: BrokerPublisher; parts: Parts; server: GrpcServer; health: HealthServer };

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: wiring: the parts in the order in which they start
async function run({ config, log, knex, broker, parts, server, health }: Run): Promise<TpcService> {
  const database = await connectDatabase({
    knex,
    migrations: MIGRATIONS,
    mode: config.MIGRATE,
    setting: 'TPC_DATABASE_URL',
    url: config.TPC_DATABASE_URL,
    log: partLog(log, 'database'),
    onFirstReady: () => {
      parts.state.ready = true;
      for (const worker of parts.workers) worker.start();
    },
    onReady: (ready) => {
      server.setHealth('', ready);
      if (ready) void parts.bodyLimit.read(knex);
    },
  });
  broker.start();
  const link = watchBrokerLink({
    broker,
    log: partLog(log, 'broker'),
    onChange: (connected) => {
      server.setHealth('broker', connected);
      if (connected) for (const worker of parts.onBrokerBack) worker.wake();
    },
  });
  log.info({ host: config.BIND_HOST, port: server.port }, 'tpc listens');
  const drained = { stop: () => parts.writes.drain() };
  const published = { stop: () => parts.publishing.close() };
  // The order of leaving: no new calls, no new claims, what was taken goes out, and only then its ways.
  const inOrder: Running[] = [
    server,
    database,
    ...parts.workers,
    drained,
    link,
    publisherStop(broker),
    published,
    parts.metrics,
    { stop: () => knex.destroy() },
    health,
    { stop: async () => parts.ownTracing?.stop() },
  ];
  let stopped: Promise<void> | undefined;
  return {
    grpcPort: server.port,
    metricsPort: parts.metrics.port,
    reload: server.reload,
    stop: () => {
      stopped ??= stopAll(inOrder).then(() => log.info('tpc stopped'));
      return stopped;
    },
  };
}

/** Its outcomes for what is under way come at the latest with its stop, so they can be recorded after it. */
function publisherStop(broker: BrokerPublisher): Running {
  return { stop: () => broker.stop(BROKER_STOP_MS) };
}

/** Settings that are good alone and bad together. */
function checkSettings(config: TpcConfig): void {
  for (const [first, longest] of WAIT_PAIRS) {
    if (config[first] > config[longest]) {
      throw new StartError(`bad setting: ${first}=${config[first]} is above ${longest}=${config[longest]}`);
    }
  }
}
