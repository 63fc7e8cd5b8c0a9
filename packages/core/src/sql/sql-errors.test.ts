import { describe, expect, it } from 'vitest';
import { classifySqlError, doomsTransaction, duplicateKeyOf, isContentFault, isTransient } from './sql-errors.ts';

describe('classifySqlError', () => {
  it.each([
    [{ errno: 1062, code: 'ER_DUP_ENTRY' }, 'duplicate'],
    [{ errno: 1213 }, 'deadlock'],
    [{ errno: 1020 }, 'deadlock'],
    [{ errno: 1206 }, 'deadlock'],
    [{ errno: 1205 }, 'locked'],
    [{ errno: 3572 }, 'locked'],
    [{ errno: 2013 }, 'connection'],
    [{ errno: 4031 }, 'connection'],
    [{ errno: -111, code: 'ECONNREFUSED' }, 'connection'],
    [{ errno: 1203, code: 'ER_TOO_MANY_USER_CONNECTIONS' }, 'connection'],
    [{ errno: 1047 }, 'connection'],
    [{ errno: -3001, code: 'EAI_AGAIN' }, 'connection'],
    [{ errno: -101, code: 'ENETUNREACH' }, 'connection'],
    [{ code: 'PROTOCOL_CONNECTION_LOST' }, 'connection'],
    [{ name: 'KnexTimeoutError' }, 'connection'],
    [{ errno: 1290 }, 'read_only'],
    [{ errno: 1836 }, 'read_only'],
    [{ errno: 1036 }, 'read_only'],
    [{ errno: 1881 }, 'read_only'],
    [{ code: 'SQLITE_CONSTRAINT_PRIMARYKEY' }, 'duplicate'],
    [{ code: 'SQLITE_CONSTRAINT_UNIQUE' }, 'duplicate'],
    [{ code: 'SQLITE_BUSY' }, 'locked'],
    [{ errno: 1406, code: 'ER_DATA_TOO_LONG' }, 'other'],
    [new Error('x'), 'other'],
    [undefined, 'other'],
  ])('%o is %s', (error, kind) => {
    expect(classifySqlError(error)).toBe(kind);
  });

  it('dooms a transaction that the server has rolled back or may have lost, and no other', () => {
    expect((['duplicate', 'deadlock', 'locked', 'connection', 'read_only', 'other'] as const).filter(doomsTransaction)).toEqual([
      'deadlock',
      'connection',
      'read_only',
    ]);
  });

  it('calls transient what may succeed when run again', () => {
    expect((['duplicate', 'deadlock', 'locked', 'connection', 'read_only', 'other'] as const).filter(isTransient)).toEqual([
      'deadlock',
      'locked',
      'connection',
      'read_only',
    ]);
  });
});

describe('duplicateKeyOf', () => {
  const duplicate = (sqlMessage: string) => ({ errno: 1062, sqlMessage, message: `INSERT … - ${sqlMessage}` });
  it.each([
    ['MariaDB', duplicate("Duplicate entry 'k' for key 'message_key'"), 'message_key'],
    ['MySQL 8, with the table', duplicate("Duplicate entry 'k' for key 'message.message_key'"), 'message_key'],
    ['a primary key', duplicate("Duplicate entry '1-2' for key 'PRIMARY'"), 'PRIMARY'],
    ['a value that looks like a key', duplicate("Duplicate entry 'x' for key 'message_key'' for key 'PRIMARY'"), 'PRIMARY'],
    ['SQLite', { code: 'SQLITE_CONSTRAINT_UNIQUE', message: 'insert … - UNIQUE constraint failed: message.message_key' }, 'message.message_key'],
    [
      'SQLite, two columns',
      { code: 'SQLITE_CONSTRAINT_PRIMARYKEY', message: 'UNIQUE constraint failed: confirm.message_id, confirm.group_id' },
      'confirm.message_id, confirm.group_id',
    ],
    ['a duplicate that does not say', { errno: 1062, message: 'Duplicate' }, undefined],
    ['no duplicate', { errno: 1213, message: "for key 'x'" }, undefined],
  ])('%s', (_what, error, key) => {
    expect(duplicateKeyOf(error)).toBe(key);
  });
});

describe('isContentFault', () => {
  it.each([
    [{ errno: 1406 }, true],
    [{ errno: 1366 }, true],
    [{ errno: 1153 }, true],
    [{ code: 'SQLITE_TOOBIG' }, true],
    [{ code: 'SQLITE_CONSTRAINT_NOTNULL' }, true],
    [{ errno: 4025 }, true],
    [{ errno: 1105 }, false],
    [{ errno: 1146 }, false],
    [{ errno: 1142 }, false],
    [{ errno: 1062 }, false],
    [{ code: 'SQLITE_ERROR' }, false],
    [{ code: 'SQLITE_FULL' }, false],
    [new Error('x'), false],
    [undefined, false],
  ])('%o: %s', (error, expected) => {
    expect(isContentFault(error)).toBe(expected);
  });
});
