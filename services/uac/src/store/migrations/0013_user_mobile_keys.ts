import { dialectOf, run } from '@tpc/core';
import type { Knex } from 'knex';

/** Numbers of users who were never active block nobody any more; the others, all of mainland China so far, get their country code. */
export const userMobileKeys = {
  name: '0013_user_mobile_keys',
  async up(db: Knex): Promise<void> {
    const withCountry = dialectOf(db).name === 'mysql' ? "CONCAT('+86', mobile_key)" : "'+86' || mobile_key";
    await run(
      db,
      `UPDATE pc_uac_user SET mobile_key = CASE WHEN activated_at IS NULL AND status = 'DISABLE' THEN NULL ELSE ${withCountry} END
       WHERE mobile_key NOT LIKE '+%'`,
    );
  },
};
