import {
  connectTpc,
  createProducer,
  migrateClientStore,
  type Producer,
  type ProducerState,
  pendingClientMigrations,
  tpcOptionsFrom,
} from '@tpc/client/producer';
import { cannotListen } from '@tpc/core';
import {
  createDatabaseProbe,
  createHealthWatch,
  isLoopback,
  type KeyValueStore,
  type Log,
  type Metrics,
  migrateDatabase,
  observePool,
  openDatabase,
  openKeyValueStore,
  partLog,
  prepareDatabase,
  type Running,
  StartError,
  schemaOf,
  startGrpcServer,
  startHealthServer,
  startMetrics,
  startTracing,
  stopAll,
  type Tracing,
  traceStatements,
} from '@tpc/platform';
import type { FastifyInstance } from 'fastify';
import type { Knex } from 'knex';
import { createAccessTokens } from './adapters/access-tokens.ts';
import { createKnownDevices } from './adapters/known-devices.ts';
import { createPasswords } from './adapters/passwords.ts';
import type { UacConfig } from './config.ts';
import { createIdGenerator, type IdGenerator } from './domain/id-generator.ts';
import { createFlows, type Flows } from './flows/index.ts';
import { EMAIL_TOPIC, type MailProducer } from './flows/mail-transactions.ts';
import { createRateLimiter } from './flows/rate-limit.ts';
import { createUserService } from './grpc/user-service.ts';
import type { HealthState } from './http/health-routes.ts';
import { closeHttpServer, createHttpServer } from './http/http-server.ts';
import { uacMigrations } from './store/migrations/index.ts';
import { readOrCreateSigningKey } from './store/signing-key.ts';
import { createWorkerIdLease } from './workers/worker-id-lease.ts';

/** UAC's producer group. */
export const PRODUCER_GROUP = 'PID_UAC';
/** How long a stop waits for open transactions and confirms, milliseconds. */
const PRODUCER_STOP_MS = 5_000;
/** UAC's tables, and the outbox's. */
const SCHEMAS = [schemaOf(uacMigrations), { migrate: migrateClientStore, pending: pendingClientMigrations }];
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

export type UacService = Running & {
  readonly httpPort: number;
  readonly grpcPort: number;
  /** Port of the metrics; undefined when none is set. */
  readonly metricsPort: number | undefined;
  /** The client library's view: mode, registered, what is under way. */
  producerState(): ProducerState;
};

export type UacServiceOptions = {
  config: UacConfig;
  log: Log;
  /** Shared store of rate limits; not closed by the service. Default: the one of KEY_VALUE_URL. */
  keyValue?: KeyValueStore;
  /** Ends the waiting for a database that is away. */
  stopping?: AbortSignal;
  /** Default: by the settings. */
  tracing?: Tracing | undefined;
};

/**
 * Starts UAC: database, producer, gRPC, HTTP. TPC need not be there.
 * @throws StartError naming the setting that is wrong
 */
export async function startUacService(options: UacServiceOptions): Promise<UacService> {
  const opened: Running[] = [];
  try {
    return await start(options, opened);
  } catch (error) {
    await stopAll(opened.reverse());
    throw error;
  }
}

/** Brings UAC's database up to date, and does nothing else. @throws StartError when it cannot */
export async function migrateUac({ config, log, stopping }: { config: UacConfig; log: Log; stopping: AbortSignal }): Promise<void> {
  await migrateDatabase({ setting: 'UAC_DATABASE_URL', url: config.UAC_DATABASE_URL, schemas: SCHEMAS, log, stopping });
}

/** What is opened is noted in `opened`, in order; a stop goes backwards. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: wiring: the parts in the order in which they start
async function start({ config, log, keyValue, stopping, tracing: given }: UacServiceOptions, opened: Running[]): Promise<UacService> {
  refuseOpenActivation(config);
  const tracing = given ?? (await startTracing({ service: 'uac', config, log }));
  if (tracing && !given) opened.push(tracing);
  const probes = await startHealthServer({ host: config.BIND_HOST, port: config.HEALTH_PORT });
  opened.push(probes);
  const db = openDatabase({ url: config.UAC_DATABASE_URL, setting: 'UAC_DATABASE_URL', poolMax: config.UAC_DATABASE_POOL });
  opened.push({ stop: () => db.destroy() });
  if (tracing) traceStatements(db, tracing);
  const databaseLog = partLog(log, 'database');
  const metrics = await openMetrics(config, db, partLog(log, 'metrics'), opened);
  await prepareDatabase(db, {
    setting: 'UAC_DATABASE_URL',
    url: config.UAC_DATABASE_URL,
    mode: config.MIGRATE,
    schemas: SCHEMAS,
    log: databaseLog,
    stopping,
  });
  const { KEY_VALUE_URL: url, KEY_VALUE_CA_FILE: caFile } = config;
  const store = keyValue ?? (await openKeyValueStore({ url, caFile, setting: 'KEY_VALUE_URL', log: partLog(log, 'key_value') }));
  if (!keyValue) opened.push({ stop: () => store.close() });
  const ids = createIdGenerator(Date.now);
  const workerId = createWorkerIdLease({ db, ids, log: databaseLog });
  opened.push(workerId);
  await workerId.start();
  const producer = await startProducer({ config, db, log: partLog(log, 'producer'), metrics, tracing }, opened);

  let httpPort = config.UAC_HTTP_PORT;
  const publicUrl = () => config.UAC_PUBLIC_URL ?? `http://127.0.0.1:${httpPort}`;
  const flows = await flowsFor({ config, log: partLog(log, 'flows'), db, producer, ids, store, publicUrl });
  const database = createDatabaseProbe(db, uacMigrations.tableName);
  const isOnline = () => producer.state().mode === 'online';
  const health = healthOf(database, isOnline, store);
  const httpLog = partLog(log, 'http');
  const http = await createHttpServer({
    flows,
    health,
    publicUrl,
    inboxUrl: config.INBOX_URL ?? '',
    tracesUrl: tracesUrlOf(config),
    trustProxy: config.UAC_TRUST_PROXY,
    ipLimits: {
      limit: createRateLimiter(store, httpLog),
      registerPerMinute: config.UAC_REGISTER_PER_IP,
      loginPerMinute: config.UAC_LOGIN_PER_IP,
    },
    activateByGet: config.UAC_ACTIVATE_BY_GET,
    activationLifeMs: config.UAC_ACTIVATION_MINUTES * MINUTE_MS,
    tracing,
    meter: metrics.meter,
    log: httpLog,
  });
  opened.push({ stop: () => closeHttpServer(http) });
  const grpcOptions = {
    host: config.BIND_HOST,
    port: config.UAC_GRPC_PORT,
    portSetting: 'UAC_GRPC_PORT',
    domain: 'uac',
    tracing: tracing?.messages,
    log: partLog(log, 'grpc'),
  };
  const access = { tokensSetting: 'UAC_TOKENS_FILE', tokensFile: config.UAC_TOKENS_FILE, reflection: config.GRPC_REFLECTION, tls: config };
  const grpc = await startGrpcServer({
    ...grpcOptions,
    access,
    connections: config,
    health: probes.entries,
    meter: metrics.meter,
    services: [createUserService(flows)],
  });
  opened.push(grpc);
  httpPort = await listen(http, config.UAC_HTTP_HOST ?? config.BIND_HOST, config.UAC_HTTP_PORT);
  const parts = () => ({ tpc: isOnline(), key_value: store.state().connected });
  const watch = createHealthWatch({ database, parts, setHealth: grpc.setHealth, log: databaseLog });
  opened.push(watch);
  await watch.runOnce();
  watch.start();
  log.info({ http_port: httpPort, grpc_port: grpc.port }, 'uac is up');
  return {
    httpPort,
    grpcPort: grpc.port,
    metricsPort: metrics.port,
    reload: grpc.reload,
    producerState: () => producer.state(),
    stop: () => stopAll([...opened].reverse()),
  };
}

/**
 * Where others than this machine reach the pages, mails reach people by servers that open their links.
 * @throws StartError
 */
function refuseOpenActivation({ UAC_ACTIVATE_BY_GET: byGet, UAC_HTTP_HOST, BIND_HOST }: UacConfig): void {
  const host = UAC_HTTP_HOST ?? BIND_HOST;
  if (byGet && !isLoopback(host))
    throw new StartError(
      `UAC_ACTIVATE_BY_GET: only while the pages listen on a loopback address, and they listen on ${host}: mail scanners open every link by a GET`,
    );
}

async function openMetrics(config: UacConfig, db: Knex, log: Log, opened: Running[]): Promise<Metrics> {
  const { METRICS_HOST: host = config.BIND_HOST, UAC_METRICS_PORT: port } = config;
  const metrics = await startMetrics({ service: 'uac', host, port, portSetting: 'UAC_METRICS_PORT', log });
  opened.push(metrics);
  observePool(metrics.meter, db);
  return metrics;
}

type ProducerParts = { config: UacConfig; db: Knex; log: Log; metrics: Metrics; tracing: Tracing | undefined };

async function startProducer({ config, db, log, metrics, tracing }: ProducerParts, opened: Running[]): Promise<Producer> {
  const tpc = connect(config);
  opened.push({ stop: async () => tpc.close() });
  const producer = createProducer({
    knex: db,
    group: PRODUCER_GROUP,
    tpc,
    topics: [EMAIL_TOPIC],
    log,
    prepareBudgetMs: config.UAC_PREPARE_BUDGET_MS,
    ...(tracing ? { tracer: tracing.tracer } : {}),
    ...(metrics.provider && { meterProvider: metrics.provider }),
  });
  opened.push({ stop: () => producer.stop(PRODUCER_STOP_MS) });
  await producer.start();
  return producer;
}

/** @throws StartError naming the setting */
function connect(config: UacConfig) {
  try {
    return connectTpc(tpcOptionsFrom(config));
  } catch (cause) {
    throw new StartError((cause as Error).message, { cause });
  }
}

type FlowsFor = {
  config: UacConfig;
  log: Log;
  db: Knex;
  producer: MailProducer;
  ids: IdGenerator;
  store: KeyValueStore;
  publicUrl: () => string;
};

async function flowsFor({ config, log, db, producer, ids, store, publicUrl }: FlowsFor): Promise<Flows> {
  const key = config.UAC_TOKEN_KEY === undefined ? await readOrCreateSigningKey(db) : Buffer.from(config.UAC_TOKEN_KEY);
  return createFlows({
    db,
    producer,
    passwords: await createPasswords(config.UAC_BCRYPT_COST),
    accessTokens: createAccessTokens(key, config.UAC_ACCESS_TOKEN_MINUTES * MINUTE_MS),
    ids,
    keyValue: store,
    log,
    publicUrl,
    activationLifeMs: config.UAC_ACTIVATION_MINUTES * MINUTE_MS,
    refreshLifeMs: config.UAC_REFRESH_TOKEN_HOURS * HOUR_MS,
    activationWaitMs: config.UAC_ACTIVATION_WAIT_HOURS * HOUR_MS,
    loginLimits: { perNetwork: config.UAC_LOGIN_PER_NAME, anywhere: config.UAC_LOGIN_PER_NAME_ANYWHERE },
    knownDevices: createKnownDevices(key),
  });
}

/** Ready follows the database alone; TPC and the key-value store are named beside it. */
function healthOf(database: () => Promise<boolean>, isOnline: () => boolean, store: KeyValueStore): () => Promise<HealthState> {
  return async () => {
    const ready = await database();
    const tpc = isOnline() ? 'ok' : 'away, mails go out later';
    const key_value = store.state().connected ? 'ok' : 'away, rate limits do not count';
    return { ready, parts: { database: ready ? 'ok' : 'away', tpc, key_value } };
  };
}

/** Jaeger's pages where somebody runs them, else its query API. */
function tracesUrlOf({ JAEGER_UI_URL: pages, JAEGER_URL: api }: UacConfig): string {
  if (pages !== undefined) return `${pages}/search?service=uac`;
  return api === undefined ? '' : `${api}/api/traces?service=uac&limit=20`;
}

async function listen(http: FastifyInstance, host: string, port: number): Promise<number> {
  try {
    await http.listen({ host, port });
  } catch (cause) {
    throw new StartError(cannotListen('UAC_HTTP_PORT', host, port, cause), { cause });
  }
  return (http.server.address() as { port: number }).port;
}
