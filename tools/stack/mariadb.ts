import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import mysql from 'mysql2/promise';
import { program } from './install.ts';
import type { StackPart } from './part.ts';
import { DATABASE_PASSWORD, DATABASE_USER, DATABASES, HOST, type StackSettings, stateFolder } from './settings.ts';

/** Databases whose names begin so belong to the services' user; tests and benchmarks make their own. */
const OWN_PREFIXES = [...DATABASES, 'test', 'bench', 'dtm'];

/** MariaDB with the server's own default of durable commits, and a database and user for the services. */
export function mariadbPart(settings: StackSettings): StackPart {
  const folder = stateFolder(settings, 'mariadb');
  const data = join(folder, 'data');
  const init = join(folder, 'init.sql');
  const port = settings.STACK_MYSQL_PORT;
  return {
    name: 'mariadb',
    title: 'MariaDB',
    ports: [{ port, setting: 'STACK_MYSQL_PORT' }],
    after: [],
    stopWithinMs: 30_000,
    async command() {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      if (!existsSync(data)) makeEmptyData(data);
      writeFileSync(init, initialStatements().join('\n'), { mode: 0o600 });
      const args = [
        '--no-defaults',
        ...asUser(),
        `--datadir=${data}`,
        // Relative to the data: a whole path may be longer than a socket's name can be. Only the system's own user gets in there, as administrator.
        '--socket=admin.sock',
        `--port=${port}`,
        `--bind-address=${HOST}`,
        '--skip-name-resolve',
        `--init-file=${init}`,
        '--innodb-buffer-pool-size=256M',
        '--max-connections=400',
        '--character-set-server=utf8mb4',
        `--secure-file-priv=${folder}`,
      ];
      return { file: program('mariadbd'), args, cwd: folder };
    },
    async probe() {
      const connection = await mysql.createConnection({ host: HOST, port, user: DATABASE_USER, password: DATABASE_PASSWORD, connectTimeout: 2_000 });
      try {
        await connection.query(`USE ${DATABASES[0]}`);
      } finally {
        connection.destroy();
      }
    },
  };
}

/** All of it, or nothing: an interrupted installation is not taken for a database. */
function makeEmptyData(data: string): void {
  const partial = `${data}.partial`;
  rmSync(partial, { recursive: true, force: true });
  const args = ['--no-defaults', ...asUser(), `--datadir=${partial}`, '--auth-root-authentication-method=socket', '--skip-test-db'];
  execFileSync(program('mysql_install_db'), args, { stdio: 'ignore' });
  renameSync(partial, data);
}

/** Run at each start, as administrator. Each is one line, as --init-file wants them, and does nothing the second time. */
function initialStatements(): string[] {
  const user = `'${DATABASE_USER}'@'${HOST}'`;
  return [
    `CREATE USER IF NOT EXISTS ${user} IDENTIFIED BY '${DATABASE_PASSWORD}';`,
    ...OWN_PREFIXES.map((prefix) => `GRANT ALL ON \`${prefix}%\`.* TO ${user};`),
    ...DATABASES.map((name) => `CREATE DATABASE IF NOT EXISTS ${name} CHARACTER SET utf8mb4;`),
  ];
}

/** mariadbd refuses to run as root unless told so. The mysql user could not reach a project in root's home. */
function asUser(): string[] {
  return process.getuid?.() === 0 ? ['--user=root'] : [];
}
