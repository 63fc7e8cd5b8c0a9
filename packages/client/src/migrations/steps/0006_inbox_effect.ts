import type { MigrationStep } from '../step.ts';

/**
 * Effects outside the database (a mail, an SMS): one row per inbox row and effect key, for example per recipient, claimed before the act
 * and marked after it.
 *
 * state: 10 open, 30 done, 40 held for an operator (its outcome is unknown and it must not be repeated), 50 dead. attempts is raised by the
 * claim, before the act; claim and lease_until are the fence. deferrals counts the tries after which the handler wanted a later one, and waits_for
 * names what ends the wait early, if anything does. payload is what the act needs, result what the outside answered.
 * Index (consumer_group, state) lists what is held or dead.
 */
export const inboxEffect: MigrationStep = {
  name: '0006_inbox_effect',
  mysql: `CREATE TABLE IF NOT EXISTS tpc_inbox_effect (
  consumer_group VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  message_key VARCHAR(160) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  generation INT NOT NULL DEFAULT 1,
  effect_key VARCHAR(255) NOT NULL,
  state SMALLINT NOT NULL,
  payload BLOB NULL,
  attempts INT NOT NULL DEFAULT 0,
  claim VARCHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
  lease_until BIGINT NULL,
  result VARCHAR(1024) NOT NULL DEFAULT '',
  reason VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  last_error VARCHAR(1024) NOT NULL DEFAULT '',
  created_at BIGINT NOT NULL,
  finished_at BIGINT NULL,
  deferrals INT NOT NULL DEFAULT 0,
  waits_for VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  PRIMARY KEY (consumer_group, message_key, generation, effect_key),
  KEY tpc_inbox_effect_state (consumer_group, state)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,
  sqlite: [
    `CREATE TABLE IF NOT EXISTS tpc_inbox_effect (
  consumer_group TEXT NOT NULL,
  message_key TEXT NOT NULL,
  generation INTEGER NOT NULL DEFAULT 1,
  effect_key TEXT NOT NULL,
  state INTEGER NOT NULL,
  payload BLOB NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  claim TEXT NULL,
  lease_until INTEGER NULL,
  result TEXT NOT NULL DEFAULT '',
  reason TEXT NOT NULL DEFAULT '',
  last_error TEXT NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL,
  finished_at INTEGER NULL,
  deferrals INTEGER NOT NULL DEFAULT 0,
  waits_for TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (consumer_group, message_key, generation, effect_key)
)`,
    'CREATE INDEX IF NOT EXISTS tpc_inbox_effect_state ON tpc_inbox_effect (consumer_group, state)',
  ],
};
