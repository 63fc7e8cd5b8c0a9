import { Verdict } from '@tpc/gen/tpc/v1/reliable_message_service';
import { describe, expect, it } from 'vitest';
import { type StatusName, TpcError } from '../../connection/index.ts';
import { commitsImplicitly, endsTransaction, statementsOf } from '../../knex-session/transaction-end.ts';
import { verdictOf } from './outbox-state.ts';
import { isRefusal } from './refusal.ts';
import { Savepoints } from './savepoints.ts';
import { usableTraceContext } from './trace-context.ts';

describe('the verdict of an outbox row', () => {
  it.each([
    [10, Verdict.VERDICT_COMMITTED],
    [20, Verdict.VERDICT_COMMITTED],
    [90, Verdict.VERDICT_ROLLED_BACK],
    [77, Verdict.VERDICT_UNSPECIFIED],
  ])('state %i', (state, verdict) => {
    expect(verdictOf(state)).toBe(verdict);
  });
});

describe('what counts as a refusal of the message', () => {
  it.each<[StatusName, boolean]>([
    ['INVALID_ARGUMENT', true],
    ['FAILED_PRECONDITION', true],
    ['NOT_FOUND', true],
    ['ALREADY_EXISTS', true],
    ['OUT_OF_RANGE', true],
    ['UNAVAILABLE', false],
    ['DEADLINE_EXCEEDED', false],
    ['INTERNAL', false],
    ['UNKNOWN', false],
    ['RESOURCE_EXHAUSTED', false],
    ['ABORTED', false],
    ['UNAUTHENTICATED', false],
    ['PERMISSION_DENIED', false],
    ['UNIMPLEMENTED', false],
  ])('%s', (status, refused) => {
    expect(isRefusal(new TpcError('', { status, reason: '', field: '', metadata: {}, retryAfterMs: undefined }))).toBe(refused);
  });

  it('none where TPC asks to come again, whatever the status', () => {
    const later = { status: 'FAILED_PRECONDITION', reason: '', field: '', metadata: {}, retryAfterMs: 1_000 } as const;
    expect(isRefusal(new TpcError('', later))).toBe(false);
  });
});

describe('savepoints', () => {
  it.each<[string[], boolean]>([
    [[], false],
    [['SAVEPOINT trx2;'], true],
    [['SAVEPOINT trx2;', 'RELEASE SAVEPOINT trx2;'], false],
    [['SAVEPOINT trx2;', 'ROLLBACK TO SAVEPOINT trx2'], false],
    [['savepoint a', 'SAVEPOINT b', 'RELEASE b'], true],
    [['savepoint a', 'SAVEPOINT b', 'RELEASE SAVEPOINT a'], false],
    [['savepoint a', 'ROLLBACK WORK TO a'], false],
    [['SELECT savepoint FROM t', "INSERT INTO t VALUES ('SAVEPOINT x')"], false],
    [['SAVEPOINT a', 'RELEASE SAVEPOINT other'], true],
    [['SAVEPOINT a', 'SAVEPOINT b', 'ROLLBACK TO b'], true],
    [['SAVEPOINT a', 'RELEASE SAVEPOINT A'], false],
    [['SAVEPOINT `a b`', 'RELEASE SAVEPOINT `a b`'], false],
    [['SAVEPOINT ä'], true],
    [['  SAVEPOINT\n\ta', '\tROLLBACK  TRANSACTION  TO  SAVEPOINT  a'], false],
    [['/* of an ORM */ SAVEPOINT a'], true],
    [['/*!50000 SAVEPOINT */ a'], true],
    [['SAVEPOINT/**/a', '-- so\nRELEASE a'], false],
    [['INSERT INTO t VALUES (1); SAVEPOINT a'], true],
    [['SAVEPOINT a; RELEASE SAVEPOINT a'], false],
    [['SAVEPOINT a', 'SELECT release a'], true],
    [['SAVEPOINT a', 'SELECT 1 -- ; ROLLBACK TO a'], true],
  ])('after %j', (statements, open) => {
    const savepoints = new Savepoints();
    for (const sql of statements) savepoints.see(statementsOf(sql));
    expect(savepoints.isOpen).toBe(open);
  });
});

/** Of the manuals of MySQL 8 and MariaDB, one of each kind. */
const IMPLICIT = [
  'ALTER EVENT e DISABLE',
  'CREATE SEQUENCE s',
  'CREATE ROLE r',
  'DROP VIEW v',
  'RENAME USER a TO b',
  'SET PASSWORD = PASSWORD("x")',
  'GRANT SELECT ON t TO u',
  'REVOKE ALL ON t FROM u',
  'ANALYZE TABLE t',
  'ANALYZE NO_WRITE_TO_BINLOG TABLE t',
  'OPTIMIZE LOCAL TABLE t',
  'CHECK VIEW v',
  'REPAIR TABLE t',
  'CACHE INDEX t IN c',
  'LOAD INDEX INTO CACHE t',
  'FLUSH TABLES',
  'RESET MASTER',
  'UNLOCK TABLES',
  'CHANGE MASTER TO MASTER_HOST = "h"',
  'CHANGE REPLICATION SOURCE TO SOURCE_HOST = "h"',
  'START SLAVE',
  'STOP ALL SLAVES',
  'START REPLICA',
  'INSTALL SONAME "x"',
  'UNINSTALL PLUGIN x',
  'IMPORT TABLE FROM "t.sdi"',
  'SHUTDOWN',
  'CREATE OR REPLACE TABLE t (a INT)',
];
const HARMLESS = [
  'ANALYZE SELECT 1',
  'DROP TEMPORARY TABLE t',
  'DROP PREPARE s',
  'SET ROLE r',
  'CHECKSUM TABLE t',
  "LOAD DATA LOCAL INFILE 'f' INTO TABLE t",
  '',
];

describe('statements that end a transaction', () => {
  it.each<[string, boolean, boolean]>([
    ['COMMIT', true, false],
    ['  rollback;', true, false],
    ['ROLLBACK WORK', true, false],
    ['ROLLBACK TO SAVEPOINT a', false, false],
    ['ROLLBACK WORK TO a', false, false],
    ['BEGIN', true, false],
    ['START TRANSACTION', true, false],
    ['SET autocommit=1', true, false],
    ['set @@session.autocommit = 0', true, false],
    ['SET @x = 1', false, false],
    ['UPDATE t SET commit_id = 1', false, false],
    ['SELECT 1', false, false],
    ['CREATE TABLE t (a INT)', false, true],
    ['CREATE TEMPORARY TABLE t (a INT)', false, false],
    ['DROP TABLE t', false, true],
    ['ALTER TABLE t ADD b INT', false, true],
    ['TRUNCATE t', false, true],
    ['CREATE OR REPLACE TEMPORARY TABLE t (a INT)', false, false],
    ['LOCK TABLES t WRITE', false, true],
    ['LOCK TABLE t READ', false, true],
    ['/* a */ -- b\n # c\n COMMIT', true, false],
    ['/*!50000 COMMIT */', true, false],
    ['/*M! ROLLBACK */', true, false],
    ['--COMMIT', false, false],
    ['/* COMMIT */ SELECT 1', false, false],
    ['SET LOCAL autocommit = 1', true, false],
    ['SET @x = 1, @@autocommit = 1', true, false],
    ["XA END 'a'", true, false],
    ['SET `autocommit` = 1', true, false],
    ['SET STATEMENT max_statement_time = 1 FOR TRUNCATE t', false, true],
    ['INSERT INTO t VALUES (1); COMMIT', true, false],
    ['UPDATE t SET a = 1;\n-- done\nTRUNCATE t', false, true],
    ['SELECT 1 /*! ; COMMIT */', true, false],
    ["INSERT INTO t VALUES ('a; COMMIT')", false, false],
    ["INSERT INTO t VALUES ('it''s; COMMIT', 'a\\'; COMMIT')", false, false],
    ['INSERT INTO t VALUES (1) -- ; COMMIT', false, false],
    ['SELECT 1; # ; DROP TABLE t', false, false],
    ['SELECT `a; COMMIT` FROM t', false, false],
    ...IMPLICIT.map((sql): [string, boolean, boolean] => [sql, false, true]),
    ...HARMLESS.map((sql): [string, boolean, boolean] => [sql, false, false]),
  ])('%s', (sql, ends, implicitly) => {
    expect([endsTransaction(sql), commitsImplicitly(sql)]).toEqual([ends, implicitly]);
  });
});

describe('trace context', () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  it.each([
    [undefined, '', ''],
    [{ traceparent }, traceparent, ''],
    [{ traceparent, tracestate: 'a=1' }, traceparent, 'a=1'],
    [{ traceparent: 'nonsense', tracestate: 'a=1' }, '', ''],
    [{ traceparent: `0${traceparent}`, tracestate: 'a=1' }, '', ''],
    [{ traceparent: `${traceparent}0`, tracestate: 'a=1' }, '', ''],
    [{ traceparent, tracestate: `~${'x'.repeat(511)}` }, traceparent, `~${'x'.repeat(511)}`],
    [{ traceparent, tracestate: 'x'.repeat(513) }, traceparent, ''],
    [{ traceparent, tracestate: 'ä' }, traceparent, ''],
  ])('%j', (context, parent, state) => {
    expect(usableTraceContext(context)).toEqual({ traceparent: parent, tracestate: state });
  });
});
