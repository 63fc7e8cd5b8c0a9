import { startMariaDb } from './mariadb.ts';

/** Starts one MariaDB for all test files, unless TEST_MYSQL_URL names one. */
export default async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env.TEST_MYSQL_URL) return undefined;
  const mariadb = await startMariaDb();
  process.env.TEST_MYSQL_URL = mariadb.url;
  return () => mariadb.stop();
}
