import { DatabaseSync } from 'node:sqlite';
import { type Running, StartError } from '@tpc/platform';

/**
 * Makes sure that one process alone works on a folder: SQLite files have one writer. The lock is SQLite's own on a file in the folder, so it ends
 * with the process, however that dies.
 * @param setting the folder's setting, for the error's line
 * @throws StartError when another process has the folder
 */
export function lockFolder(folder: string, setting = 'DATA_DIR'): Running {
  const db = new DatabaseSync(`${folder}/in-use.lock`);
  try {
    db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; CREATE TABLE IF NOT EXISTS in_use (pid INTEGER); COMMIT');
    db.exec(`BEGIN EXCLUSIVE; DELETE FROM in_use; INSERT INTO in_use VALUES (${process.pid}); COMMIT`);
  } catch (cause) {
    db.close();
    throw new StartError(`${setting}=${folder} is in use by another process`, { cause });
  }
  return { stop: async () => db.close() };
}
