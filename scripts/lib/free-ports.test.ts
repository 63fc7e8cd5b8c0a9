import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { assertPortsFree } from './free-ports.ts';

let taken: Server;
let port: number;
const host = '127.0.0.1';

beforeAll(async () => {
  taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, host, resolve));
  port = (taken.address() as { port: number }).port;
});
afterAll(() => taken.close());

const lineOf = async (wanted: Parameters<typeof assertPortsFree>[0]) =>
  assertPortsFree(wanted, 'npm start').then(
    () => 'all free',
    (error: Error) => error.message,
  );

it('names every port that cannot be had, who holds it, and a command that works', async () => {
  const line = await lineOf([
    { setting: 'A_PORT', host, port },
    { setting: 'B_PORT', host, port: 0 },
    { setting: 'C_PORT', host, port },
  ]);
  expect(line).toContain(`A_PORT=${port}: the port is taken`);
  expect(line).toContain(`C_PORT=${port}: A_PORT is the same port`);
  if (process.platform === 'linux') expect(line).toContain(`(process ${process.pid})`);
  const [, a, c] = /call: A_PORT=(\d+) C_PORT=(\d+) npm start$/.exec(line) ?? [];
  expect(Number(a)).toBeGreaterThan(port);
  expect(
    await lineOf([
      { setting: 'A_PORT', host, port: Number(a) },
      { setting: 'C_PORT', host, port: Number(c) },
    ]),
  ).toMatch(/all free|same port/);
});

it('says nothing of free ports, and leaves them free', async () => {
  taken.close();
  await new Promise((resolve) => taken.once('close', resolve));
  for (let round = 0; round < 2; round++) expect(await lineOf([{ setting: 'A_PORT', host, port }])).toBe('all free');
});
