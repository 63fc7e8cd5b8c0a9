import { databaseFindings, UnsuitableSession } from '@tpc/core';
import type { Knex } from 'knex';
import type { Log } from './log.ts';

/**
 * Looks at the team's database at the start of a producer or consumer.
 * @throws UnsuitableSession with a line for each setting that does not suit; else the database's error
 */
export async function checkDatabase(knex: Knex, log: Log): Promise<void> {
  const findings = await databaseFindings(knex);
  const refusing = findings.filter(({ refuses }) => refuses);
  if (refusing.length > 0) throw new UnsuitableSession(refusing.map(({ line }) => line));
  for (const { line } of findings) log.warn({ finding: line }, 'the database is not as it should be');
}
