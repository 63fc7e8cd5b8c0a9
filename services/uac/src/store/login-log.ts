import { dialectOf, type Queryable, run } from '@tpc/core';
import type { Knex } from 'knex';
import type { ClientAddress } from './sessions.ts';

export type LoginOutcome = 'SUCCESS' | 'NOT_ACTIVE' | 'DISABLED';

/** Records a login with the right password. (A wrong one is not recorded per user: it must cost the same as an unknown name.) */
export async function insertLoginLog(
  db: Knex | Queryable,
  entry: { id: string; userId: string; client: ClientAddress; outcome: LoginOutcome },
): Promise<void> {
  await run(db, `INSERT INTO uac_login_log (id, user_id, at, ip, user_agent, outcome) VALUES (?, ?, ${dialectOf(db).now}, ?, ?, ?)`, [
    entry.id,
    entry.userId,
    entry.client.ip,
    entry.client.userAgent,
    entry.outcome,
  ]);
}
