import { migrate, pendingMigrations } from '@tpc/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { count, DATABASES, formOf, type TestDatabase } from '../../test/kit.ts';
import { createIdGenerator } from '../domain/id-generator.ts';
import { checkRegistration, type Registration } from '../domain/registration.ts';
import { createWorkerIdLease } from '../workers/worker-id-lease.ts';
import { consumeActivationToken, findActivationToken, insertActivationToken } from './activation-tokens.ts';
import { uacMigrations } from './migrations/index.ts';
import { readOrCreateSigningKey } from './signing-key.ts';
import { deleteWaitingUser, enableUser, findHolders, findUserById, findUserByKey, insertUser } from './users.ts';
import { acquireWorkerLease, renewWorkerLease } from './worker-leases.ts';

function registrationOf(n: number): Registration {
  const checked = checkRegistration(formOf(n));
  if ('violations' in checked) throw new Error('the form is wrong');
  return checked.registration;
}

const SECRET = { passwordHash: 'hash', contested: false };
const silent = { warn() {}, error() {} } as never;

describe.each(DATABASES)('store on %s', (_name, open) => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await open();
  });
  afterEach(() => database.drop());

  it('migrates again without harm, also where a process died between a statement and its record', async () => {
    const { db } = database;
    await db(uacMigrations.tableName).whereIn('name', ['0001_user', '0004_activation_token']).delete();
    if (db.client.driverName === 'mysql2')
      await db(uacMigrations.tableName).whereIn('name', ['0005_activation_token_user', '0012_user_claims', '0013_user_mobile_keys']).delete();
    await migrate(db, uacMigrations);
    expect(await pendingMigrations(db, uacMigrations)).toEqual([]);
  });

  it('tells apart ids that differ only beyond 2^53', async () => {
    const { db } = database;
    const ids = ['9007199254740992001', '9007199254740992002'];
    await db.transaction(async (tx) => {
      for (const [n, id] of ids.entries()) await insertUser(tx, id, registrationOf(n), SECRET);
    });
    for (const [n, id] of ids.entries()) {
      expect(await findUserById(db, id)).toMatchObject({ id, loginName: `User${n}` });
      expect((await findUserByKey(db, 'loginName', `user${n}`))?.id).toBe(id);
    }
    expect(await findUserById(db, '9007199254740992003')).toBeUndefined();
  });

  it('says who holds the keys of a registration, and whether they wait', async () => {
    const { db } = database;
    await db.transaction((tx) => insertUser(tx, '1', registrationOf(1), SECRET));
    expect(await findHolders(db, registrationOf(2))).toEqual([]);
    const waiting = { id: '1', waiting: true, linkWorks: false, contested: false, passwordHash: 'hash', mobileKey: '+8613800000001' };
    const holds = { loginName: true, mobileNo: false, email: true };
    expect(await findHolders(db, registrationOf(1))).toEqual([{ ...waiting, holds }]);
    await db.transaction((tx) => insertActivationToken(tx, Buffer.alloc(32, 1), '1', 60_000));
    expect(await findHolders(db, { ...registrationOf(2), emailKey: 'user1@example.com' })).toEqual([
      { ...waiting, linkWorks: true, holds: { ...holds, loginName: false } },
    ]);
    await db.transaction((tx) => enableUser(tx, '1', '+8613800000001'));
    expect(await findHolders(db, { ...registrationOf(1), emailKey: '', loginNameKey: '' })).toMatchObject([
      { waiting: false, holds: { loginName: false, mobileNo: true, email: false } },
    ]);
  });

  it.each(['loginNameKey', 'emailKey'] as const)('has no two users with the same %s', async (key) => {
    const { db } = database;
    await db.transaction((tx) => insertUser(tx, '1', registrationOf(1), SECRET));
    const second = { ...registrationOf(2), [key]: registrationOf(1)[key] };
    await expect(db.transaction((tx) => insertUser(tx, '2', second, SECRET))).rejects.toThrow();
    expect(await count(db, 'pc_uac_user')).toBe(1);
  });

  it('has no two active users with the same number, and any number without one', async () => {
    const { db } = database;
    for (const n of [1, 2, 3, 4]) await db.transaction((tx) => insertUser(tx, String(n), registrationOf(n), SECRET));
    for (const n of ['1', '2']) await db.transaction((tx) => enableUser(tx, n, undefined));
    await db.transaction((tx) => enableUser(tx, '3', '+8613800000001'));
    await expect(db.transaction((tx) => enableUser(tx, '4', '+8613800000001'))).rejects.toThrow();
    expect(await count(db, 'pc_uac_user', "status = 'ENABLE'")).toBe(3);
  });

  it('removes one who waits, with the links, and nobody else', async () => {
    const { db } = database;
    const [ones, twos] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
    await db.transaction(async (tx) => {
      for (const [n, token] of [ones, twos].entries()) {
        await insertUser(tx, String(n + 1), registrationOf(n), SECRET);
        await insertActivationToken(tx, token, String(n + 1), 60_000);
      }
      await enableUser(tx, '2', undefined);
    });
    expect(await db.transaction((tx) => deleteWaitingUser(tx, '1'))).toBe(true);
    expect(await db.transaction((tx) => deleteWaitingUser(tx, '1'))).toBe(false);
    expect(await db.transaction((tx) => deleteWaitingUser(tx, '2'))).toBe(false);
    expect([await findActivationToken(db, ones), await findActivationToken(db, twos)]).toEqual([undefined, { userId: '2', usable: true }]);
  });

  it('uses an activation token up once', async () => {
    const { db } = database;
    const used = Buffer.alloc(32, 1);
    await db.transaction(async (tx) => {
      await insertActivationToken(tx, used, '7', 60_000);
      expect(await findActivationToken(tx, used)).toEqual({ userId: '7', usable: true });
      expect(await consumeActivationToken(tx, used)).toBe(true);
      expect(await consumeActivationToken(tx, used)).toBe(false);
    });
    expect(await findActivationToken(db, used)).toEqual({ userId: '7', usable: false });
  });

  it('gives every process that starts at once the same signing key', async () => {
    const keys = await Promise.all(Array.from({ length: 5 }, () => readOrCreateSigningKey(database.db)));
    expect(new Set(keys.map((key) => key.toString('hex'))).size).toBe(1);
    expect(keys[0]).toHaveLength(32);
  });

  it('leases each worker id to one owner at a time', async () => {
    const leases = Array.from({ length: 8 }, () => {
      const ids = createIdGenerator(Date.now);
      return { ids, lease: createWorkerIdLease({ db: database.db, ids, log: silent }) };
    });
    await Promise.all(leases.map(({ lease }) => lease.runOnce()));
    const made = leases.flatMap(({ ids }) => Array.from({ length: 500 }, () => ids.next()));
    expect(new Set(made).size).toBe(4000);
    expect(await count(database.db, 'uac_worker_lease')).toBe(8);
    await Promise.all(leases.map(({ lease }) => lease.stop()));
    for (const { ids } of leases) expect(() => ids.next()).toThrow();
  });

  it('takes a given back or expired worker id over, and only behind its last time stamp', async () => {
    const { db } = database;
    const request = { owner: 'a', leaseMs: 60_000, now: 1_000, reserveUntil: 5_000 };
    expect(await acquireWorkerLease(db, request)).toEqual({ workerId: 0, after: 0, until: 5_000 });
    await db('uac_worker_lease').update({ expires_at: 0 });
    const behind = await acquireWorkerLease(db, { ...request, owner: 'b', now: 5_000, reserveUntil: 9_000 });
    expect(behind).toEqual({ workerId: 1, after: 0, until: 9_000 });
    expect(await acquireWorkerLease(db, { ...request, owner: 'c', now: 5_001, reserveUntil: 9_000 })).toEqual({
      workerId: 0,
      after: 5_000,
      until: 9_000,
    });
    expect(await renewWorkerLease(db, 0, { ...request, reserveUntil: 12_000 })).toBe(false);
    expect(await renewWorkerLease(db, 0, { ...request, owner: 'c', reserveUntil: 12_000 })).toBe(true);
  });

  it('replaces a worker id that another process has taken, and makes no id twice', async () => {
    const { db } = database;
    const clock = { now: Date.now() };
    const ids = createIdGenerator(() => clock.now);
    const lease = createWorkerIdLease({ db, ids, log: silent, now: () => clock.now });
    await lease.runOnce();
    const before = ids.next();
    await db('uac_worker_lease').update({ owner: 'another', expires_at: Date.now() + 60_000 });
    await lease.runOnce();
    const after = ids.next();
    expect(BigInt(after) & 0x3ff000n).not.toBe(BigInt(before) & 0x3ff000n);
    clock.now += 3_600_000;
    expect(() => ids.next()).toThrow();
    await lease.runOnce();
    expect(BigInt(ids.next())).toBeGreaterThan(BigInt(after));
    await lease.stop();
  });
});
