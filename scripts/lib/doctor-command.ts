/** npm run doctor, apart from the process. */
import { parseArgs } from 'node:util';
import { type DatabaseFinding, databaseFindings, durabilityWarnings } from '@tpc/core';
import { judgeDatabaseFailure, loadConfig, openDatabase, StartError, secretSetting, UnsuitableDatabase } from '@tpc/platform';
import knexFactory, { type Knex } from 'knex';
import { z } from 'zod';

const SERVICES = ['TPC_DATABASE_URL', 'UAC_DATABASE_URL', 'OPC_DATABASE_URL'] as const;

const HELP = `npm run doctor: looks whether databases are as TPC needs them, and says for each setting that is not what to do.

  npm run -s doctor                 the databases of ${SERVICES.join(', ')} (as the services use them)
                                    and DATABASE_URL (of a team that uses the client library)
  npm run -s doctor -- ADDRESS …    databases of teams: mysql://user:password@host:port/database

One line for each finding; "warning:" where TPC works all the same. It ends with 1 where something must be changed, else with 0. It changes nothing.
docs/real-stack.md has the table of what is looked at.`;

const setting = () => secretSetting(z.string().default('').describe('Address of a database.'));
const schema = z.object({ TPC_DATABASE_URL: setting(), UAC_DATABASE_URL: setting(), OPC_DATABASE_URL: setting(), DATABASE_URL: setting() });

type Patient = { name: string; url: string; ours: boolean };

/**
 * @param args what stands behind `npm run doctor --`
 * @returns whether all databases are as they must be
 * @throws StartError with one line when there is nothing to look at
 */
export async function runDoctor(args: readonly string[], env: NodeJS.ProcessEnv, print: (line: string) => void): Promise<boolean> {
  const { values, positionals } = parseArgs({ args: [...args], options: { help: { type: 'boolean', short: 'h' } }, allowPositionals: true });
  if (values.help) {
    print(HELP);
    return true;
  }
  const patients = positionals.length > 0 ? positionals.map(named) : fromSettings(env);
  if (patients.length === 0) throw new StartError(`nothing to look at: set ${SERVICES.join(', ')} or DATABASE_URL, or name an address`);
  let well = true;
  for (const patient of patients) {
    const findings = await examine(patient);
    for (const { line, refuses } of findings) print(`${patient.name}: ${refuses ? '' : 'warning: '}${line}`);
    if (findings.length === 0) print(`${patient.name}: ok`);
    well &&= findings.every(({ refuses }) => !refuses);
  }
  return well;
}

/** An address by what tells it from others, without its password. */
function named(url: string): Patient {
  if (!URL.canParse(url)) throw new StartError('an address is mysql://user:password@host:port/database');
  const { host, pathname } = new URL(url);
  return { name: `${host}${pathname}`, url, ours: false };
}

function fromSettings(env: NodeJS.ProcessEnv): Patient[] {
  const config = loadConfig(schema, env);
  const all = [...SERVICES.map((name) => ({ name, url: config[name], ours: true })), { name: 'DATABASE_URL', url: config.DATABASE_URL, ours: false }];
  return all.filter(({ url }) => url !== '');
}

async function examine({ name, url, ours }: Patient): Promise<Pick<DatabaseFinding, 'line' | 'refuses'>[]> {
  let knex: Knex | undefined;
  try {
    knex = ours || url.startsWith('sqlite:') ? openDatabase({ url, poolMax: 2 }) : openAsTeam(url);
    const durability = (await durabilityWarnings(knex)).map((line) => ({ line, refuses: false }));
    return [...(await databaseFindings(knex)), ...durability];
  } catch (error) {
    if (error instanceof UnsuitableDatabase) return error.lines.map((line) => ({ line, refuses: true }));
    const wrong = await judgeDatabaseFailure(error, { setting: name, url });
    const line = wrong ? wrong.message.replace(`${name}: `, '') : `it does not answer: ${(error as Error).message}`;
    return [{ line, refuses: true }];
  } finally {
    await knex?.destroy();
  }
}

/** Nothing is set in these sessions: they are as the server makes those of the team. */
function openAsTeam(url: string): Knex {
  const connection = { uri: url.replace(/^mariadb:/, 'mysql:'), connectTimeout: 5_000 } as Knex.MySql2ConnectionConfig;
  return knexFactory({ client: 'mysql2', log: QUIET, connection, pool: { min: 0, max: 2 }, acquireConnectionTimeout: 10_000 });
}

const ignore = () => undefined;
/** What fails is told once, as a finding. */
const QUIET: Knex.Logger = { warn: ignore, error: ignore, deprecate: ignore, debug: ignore };
