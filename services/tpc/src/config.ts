import { DEFAULT_MAX_BODY_BYTES, MAX_BATCH_BYTES } from '@tpc/core';
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
  tracingSettings,
} from '@tpc/platform';
import { z } from 'zod';

/** How long a replica may take to publish what it claimed before another does it, milliseconds. */
const DEFAULT_PUBLISH_LEASE_MS = 30_000;
/** First and longest wait after a publish that failed for a while, milliseconds. */
const DEFAULT_PUBLISH_RETRY_FIRST_MS = 500;
const DEFAULT_PUBLISH_RETRY_MAX_MS = 30_000;
/** First and longest wait before a producer is asked for the outcome of a prepared message, milliseconds. */
const DEFAULT_CHECK_FIRST_MS = 10_000;
const DEFAULT_CHECK_MAX_MS = 300_000;
/** First and longest wait before a message is published again for a group that has not received it, milliseconds. */
const DEFAULT_REDELIVER_FIRST_MS = 60_000;
const DEFAULT_REDELIVER_MAX_MS = 600_000;
/** A group that received something published this much later on the topic has lost what it did not receive, milliseconds. */
const DEFAULT_REDELIVER_PASSED_MS = 60_000;
/** How long after its publish a message that a group has not received is overdue, milliseconds. */
const DEFAULT_OVERDUE_AFTER_MS = 1_800_000;
/** How often instances of producers and consumers report, milliseconds; silent for three times as long they are gone. */
const DEFAULT_HEARTBEAT_INTERVAL_MS = 10_000;
/** How often each duty looks for due work when nothing wakes it, milliseconds. */
export const DEFAULT_PUBLISH_POLL_MS = 500;
export const DEFAULT_CHECK_POLL_MS = 1_000;
export const DEFAULT_REDELIVER_POLL_MS = 2_000;
export const DEFAULT_RESUME_POLL_MS = 2_000;
export const DEFAULT_OVERDUE_POLL_MS = 5_000;
/** Most rows of one claim. */
export const DEFAULT_CLAIM_COUNT = 128;
/** Most names that one group may make. */
const DEFAULT_MAX_GROUP_TOPICS = 1_000;
const DEFAULT_MAX_GROUP_TAGS = 10_000;
const DEFAULT_MAX_GROUP_STORES = 1_000;
/** Most calls that wait for one kind of write; more are refused. */
const DEFAULT_MAX_QUEUED = 20_000;
/** Bytes of prepared contents that are kept in memory until their confirm comes. */
const DEFAULT_CONTENT_CACHE_BYTES = 64 * 1024 * 1024;
/** How long a finished message's key is kept at least, days; outboxes and inboxes must keep theirs longer. */
const DEFAULT_MESSAGE_RETENTION_DAYS = 30;
/** How long the broker keeps messages at most, days; an inbox must know a key for as long after TPC forgot it. */
const DEFAULT_BROKER_RETENTION_DAYS = 3;

const wait = (defaultValue: number, max = 86_400_000) => integerSetting(defaultValue, 10, max);

/** Parts of the log that can have a level of their own. */
const LOG_PARTS = ['publish', 'redeliver', 'check_back', 'resume', 'overdue', 'broker', 'database', 'grpc', 'metrics'];

/** Settings of TPC, read once from the environment. */
export const configSchema = z.object({
  BIND_HOST: bindSetting().describe('Address to listen on. Only loopback as long as TPC_TOKENS_FILE is empty.'),
  ...tracingSettings,
  ...logSettings('tpc', LOG_PARTS),
  MIGRATE: migrateSetting(),
  ...healthSettings,
  TPC_DATABASE_URL: secretSetting(
    z
      .string()
      .default('sqlite:./data/tpc.db')
      .describe("TPC's database: sqlite:<file>, or mysql://user:password@host:port/database (MySQL 8, MariaDB 10.6 or newer)."),
  ),
  TPC_DATABASE_POOL: integerSetting(16, 4, 200).describe('Connections to the database at most (SQLite: always one).'),
  TPC_GRPC_PORT: portSetting(50_051).describe('Port of ReliableMessageService and MessageAdminService; 0: the system chooses.'),
  TPC_METRICS_PORT: metricsPortSetting(),
  METRICS_HOST: metricsHostSetting(),
  TPC_TOKENS_FILE: tokensFileSetting(),
  ...tlsSettings,
  GRPC_REFLECTION: reflectionSetting(),
  ...connectionSettings,
  ...brokerSettings(),
  TPC_MAX_BODY_BYTES: integerSetting(DEFAULT_MAX_BODY_BYTES, 1, MAX_BATCH_BYTES).describe(
    'Largest body of a message, bytes. Producers are told it when they register, lowered to what max_allowed_packet of the database takes.',
  ),
  TPC_PUBLISH_LEASE_MS: integerSetting(DEFAULT_PUBLISH_LEASE_MS, 2_000, 600_000).describe(
    'How long a replica may take to publish what it claimed before another does it, milliseconds.',
  ),
  TPC_PUBLISH_RETRY_FIRST_MS: wait(DEFAULT_PUBLISH_RETRY_FIRST_MS).describe('First wait after a publish that failed for a while, milliseconds.'),
  TPC_PUBLISH_RETRY_MAX_MS: wait(DEFAULT_PUBLISH_RETRY_MAX_MS).describe('Longest wait after a publish that failed for a while, milliseconds.'),
  TPC_CHECK_FIRST_MS: wait(DEFAULT_CHECK_FIRST_MS).describe(
    'How long after a prepare its producer is first asked for the outcome, milliseconds; also how long a question may stay without a verdict.',
  ),
  TPC_CHECK_MAX_MS: wait(DEFAULT_CHECK_MAX_MS).describe('Longest wait between two questions about one message, milliseconds.'),
  TPC_REDELIVER_FIRST_MS: wait(DEFAULT_REDELIVER_FIRST_MS).describe(
    'How long after the confirm a message that a group has not received may be published again for it, milliseconds.',
  ),
  TPC_REDELIVER_MAX_MS: wait(DEFAULT_REDELIVER_MAX_MS, 7 * 86_400_000).describe(
    'Longest wait between two redeliveries of one message, milliseconds.',
  ),
  TPC_REDELIVER_PASSED_MS: integerSetting(DEFAULT_REDELIVER_PASSED_MS, 0, 86_400_000).describe(
    'A group that received something published this much later on the topic has lost what it did not receive, milliseconds.',
  ),
  TPC_OVERDUE_AFTER_MS: wait(DEFAULT_OVERDUE_AFTER_MS, 30 * 86_400_000).describe(
    'How long after its publish a message that a consumer group has not received is overdue, milliseconds: it is told in attention, timeline and metrics, and never DEAD for it.',
  ),
  TPC_HEARTBEAT_INTERVAL_MS: wait(DEFAULT_HEARTBEAT_INTERVAL_MS, 600_000).describe(
    'How often instances of producers and consumers report, milliseconds; silent for three times as long they count as gone.',
  ),
  TPC_PUBLISH_POLL_MS: wait(DEFAULT_PUBLISH_POLL_MS).describe('How often due publishes are looked for when none was found, milliseconds.'),
  TPC_CHECK_POLL_MS: wait(DEFAULT_CHECK_POLL_MS).describe(
    'How often uncertain messages are looked for on behalf of waiting producers, milliseconds.',
  ),
  TPC_REDELIVER_POLL_MS: wait(DEFAULT_REDELIVER_POLL_MS).describe('How often due redeliveries are looked for, milliseconds.'),
  TPC_RESUME_POLL_MS: wait(DEFAULT_RESUME_POLL_MS).describe(
    'How often messages that are DEAD for want of a subscriber are resumed after a registration, milliseconds.',
  ),
  TPC_OVERDUE_POLL_MS: wait(DEFAULT_OVERDUE_POLL_MS).describe('How often messages that have become overdue are looked for, milliseconds.'),
  TPC_CLAIM_COUNT: integerSetting(DEFAULT_CLAIM_COUNT, 1, 512).describe('Most rows that one claim of due work takes.'),
  TPC_MAX_GROUP_TOPICS: integerSetting(DEFAULT_MAX_GROUP_TOPICS, 1, 1_000_000).describe(
    'Most topics that one producer or consumer group may make by being the first to name them; more are refused (QUOTA_REACHED).',
  ),
  TPC_MAX_GROUP_TAGS: integerSetting(DEFAULT_MAX_GROUP_TAGS, 1, 10_000_000).describe('Most tags that one group may make in the same way.'),
  TPC_MAX_GROUP_STORES: integerSetting(DEFAULT_MAX_GROUP_STORES, 1, 1_000_000).describe(
    'Most outbox databases (store ids) that one producer group may come from.',
  ),
  TPC_MAX_QUEUED: integerSetting(DEFAULT_MAX_QUEUED, 1, 1_000_000).describe(
    'Most calls that may wait for one kind of write; more are answered RESOURCE_EXHAUSTED.',
  ),
  TPC_CONTENT_CACHE_BYTES: integerSetting(DEFAULT_CONTENT_CACHE_BYTES, 0, 16 * 1024 ** 3).describe(
    'Bytes of prepared contents that are kept in memory until their confirm comes; what does not fit is read back.',
  ),
  TPC_PAGE_TOKEN_SECRET: secretSetting(
    z.string().default('').describe('Secret of the page tokens of lists, the same for all replicas. Empty: made from TPC_DATABASE_URL.'),
  ),
  TPC_MESSAGE_RETENTION_DAYS: integerSetting(DEFAULT_MESSAGE_RETENTION_DAYS, 1, 3_650).describe(
    "How long a finished message's key is kept at least, days; producers and consumers are told it when they register. Nothing is deleted yet.",
  ),
  TPC_BROKER_RETENTION_DAYS: integerSetting(DEFAULT_BROKER_RETENTION_DAYS, 0, 365).describe('How long the broker keeps messages at most, days.'),
});

export type TpcConfig = z.output<typeof configSchema>;
