import { startMariaDb } from '../mariadb.ts';
import { chooseRunFolder } from './run-folder.ts';

/** Starts one MariaDB for all test files, unless TEST_MYSQL_URL names one; the real stack is started by the first test that needs it. */
export default async function setup(): Promise<() => Promise<void>> {
  const removeStack = chooseRunFolder();
  if (process.env.TEST_MYSQL_URL) return async () => removeStack();
  const mariadb = await startMariaDb();
  process.env.TEST_MYSQL_URL = mariadb.url;
  return async () => {
    removeStack();
    await mariadb.stop();
  };
}
