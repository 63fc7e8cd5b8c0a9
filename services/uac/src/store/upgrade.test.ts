import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate, run } from '@tpc/core';
import { openDatabase } from '@tpc/platform';
import { describe, expect, it } from 'vitest';
import { createTestDatabase } from '../../../../test/support/mariadb.ts';
import { uacMigrations } from './migrations/index.ts';
import { enableUser, findHolders, findUserById } from './users.ts';

async function sqlite() {
  const dir = mkdtempSync(join(tmpdir(), 'tpc-uac-upgrade-'));
  return { url: `sqlite:${dir}/uac.db`, drop: async () => rmSync(dir, { recursive: true, force: true }) };
}

const LAST_BEFORE = '0011_signing_key';
const BEFORE = { ...uacMigrations, list: uacMigrations.list.slice(0, uacMigrations.list.findIndex(({ name }) => name === LAST_BEFORE) + 1) };
const KEYS = { loginNameKey: 'user1', emailKey: '', mobileKey: undefined };

describe.each([
  ['SQLite', sqlite],
  ['MariaDB', () => createTestDatabase('uac_upgrade')],
])('a database from before numbers were optional, on %s', (_name, create) => {
  it('keeps its users; who was active holds the number, with its country code, and who never was holds none', async () => {
    const { url, drop } = await create();
    const db = openDatabase({ url });
    try {
      await migrate(db, BEFORE);
      for (const [n, activated] of [
        [1, null],
        [2, 7],
      ] as const)
        await run(
          db,
          `INSERT INTO pc_uac_user (id, login_name, login_name_key, login_pwd, user_name, mobile_no, mobile_key, email, email_key, status, user_source,
             register_source, activated_at, created_time, update_time)
           VALUES (?, ?, ?, 'hash', 'x', ?, ?, ?, ?, ?, 'REGISTER', 'PC', ?, 5, 5)`,
          [n, `User${n}`, `user${n}`, `1380000000${n}`, `1380000000${n}`, `${n}@x.cn`, `${n}@x.cn`, activated ? 'ENABLE' : 'DISABLE', activated],
        );
      await migrate(db, uacMigrations);
      const { rows } = await run(db, 'SELECT login_name, mobile_no, mobile_key, contested, created_time FROM pc_uac_user ORDER BY id');
      expect(rows).toEqual([
        { login_name: 'User1', mobile_no: '13800000001', mobile_key: null, contested: 0, created_time: 5 },
        { login_name: 'User2', mobile_no: '13800000002', mobile_key: '+8613800000002', contested: 0, created_time: 5 },
      ]);
      expect(await findHolders(db, KEYS)).toMatchObject([{ id: '1', waiting: true, mobileKey: '+8613800000001' }]);
      await db.transaction((tx) => enableUser(tx, '1', '+8613800000001'));
      await expect(db.transaction((tx) => run(tx, 'UPDATE pc_uac_user SET mobile_key = ? WHERE id = 2', ['+8613800000001']))).rejects.toThrow();
      expect(await findUserById(db, '1')).toMatchObject({ status: 'ENABLE', everActive: true });
    } finally {
      await db.destroy();
      await drop();
    }
  });
});
