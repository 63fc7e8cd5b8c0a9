import { inspect } from 'node:util';
import { OutcomeUnknown, TransactionDoomed } from '@tpc/client/producer';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DATABASES, type TestDatabase } from '../../test/kit.ts';
import { NoIdLease } from '../domain/id-generator.ts';
import { refuse } from './refusal.ts';
import { toUacError } from './uac-error.ts';

const lost = Object.assign(new Error('gone'), { code: 'PROTOCOL_CONNECTION_LOST' });

describe('toUacError', () => {
  it.each([
    ['a refusal', refuse('UAC10011016'), 'UAC10011016'],
    ['a lost connection', lost, 'UAC10011111'],
    ['a doomed transaction', new TransactionDoomed('doomed', Object.assign(new Error('x'), { errno: 1213 })), 'UAC10011111'],
    ['a missing worker id', new NoIdLease(), 'UAC10011111'],
    ['an unknown commit', new OutcomeUnknown(lost), 'UAC10011110'],
    ['a bug', new TypeError('x is undefined'), 'INTERNAL'],
    ['no error at all', 'text', 'INTERNAL'],
  ])('gives %s its meaning', (_what, error, reason) => {
    expect(toUacError(error)).toMatchObject({ reason });
  });
});

describe.each(DATABASES)('an error of %s', (_name, open) => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await open();
  });
  afterEach(() => database.drop());

  it('is logged with its code, without any value of the statement', async () => {
    const statement = database.db.raw('INSERT INTO uac_signing_key (id, secret, created_at) VALUES (?, ?, ?), (1, ?, 1)', [
      1,
      'secret-1',
      1,
      'secret-2',
    ]);
    const cause = await statement.catch((error: unknown) => error);
    const logged = inspect(toUacError(new Error('around', { cause })), { depth: null, showHidden: true });
    expect(logged).not.toContain('secret-');
    expect(logged).toContain('around');
    expect(logged).toMatch(/database error (ER_DUP_ENTRY 1062|SQLITE_CONSTRAINT_PRIMARYKEY)/);
  });
});
