import mysql from 'mysql2/promise';
import { DATABASES } from './settings.ts';

/** Makes the bench's databases anew: every run begins with empty tables. @param url of the server, with any database */
export async function makeDatabases(url: string): Promise<Readonly<Record<keyof typeof DATABASES, string>>> {
  const connection = await mysql.createConnection(url);
  try {
    for (const name of Object.values(DATABASES)) {
      await connection.query(`DROP DATABASE IF EXISTS ${name}`);
      await connection.query(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
    }
  } finally {
    await connection.end();
  }
  const at = (name: string) => Object.assign(new URL(url), { pathname: `/${name}` }).href;
  return { tpc: at(DATABASES.tpc), producer: at(DATABASES.producer), consumer: at(DATABASES.consumer), peers: at(DATABASES.peers) };
}

export async function serverVersion(url: string): Promise<string> {
  const connection = await mysql.createConnection(url);
  try {
    const [rows] = (await connection.query('SELECT VERSION() AS version')) as unknown as [{ version: string }[]];
    return rows[0]?.version ?? 'unknown';
  } finally {
    await connection.end();
  }
}
