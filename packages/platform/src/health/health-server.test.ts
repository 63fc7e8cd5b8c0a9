import { credentials } from '@grpc/grpc-js';
import { HealthClient } from '@tpc/gen/grpc/health/v1/health';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { StartError } from '../errors.ts';
import { startGrpcServer } from '../grpc/grpc-server.ts';
import { loadConfig } from '../host/config.ts';
import { createLog } from '../log/log.ts';
import { healthSettings, LIVE, startHealthServer } from './health-server.ts';

const log = createLog({ service: 'test', level: 'silent', format: 'json' });
const SERVING = 1;
const NOT_SERVING = 2;

function asking(port: number) {
  const client = new HealthClient(`127.0.0.1:${port}`, credentials.createInsecure());
  const check = (service: string) =>
    new Promise<number>((resolve, reject) => client.check({ service }, (error, response) => (error ? reject(error) : resolve(response.status))));
  return { check, close: () => client.close() };
}

it('is live and not ready before anything else of the service is there, and after all else has stopped', async () => {
  const health = await startHealthServer({ host: '127.0.0.1', port: 0 });
  const probe = asking(health.port as number);
  expect([await probe.check(LIVE), await probe.check('')]).toEqual([SERVING, NOT_SERVING]);
  const server = await startGrpcServer({
    host: '127.0.0.1',
    port: 0,
    portSetting: 'X_GRPC_PORT',
    domain: 'x',
    services: [],
    health: health.entries,
    log,
  });
  server.setHealth('', true);
  server.setHealth('broker', false);
  const inside = asking(server.port);
  expect([await probe.check(''), await probe.check('broker'), await inside.check(''), await inside.check(LIVE)]).toEqual([
    SERVING,
    NOT_SERVING,
    SERVING,
    SERVING,
  ]);
  inside.close();
  await server.stop();
  expect([await probe.check(LIVE), await probe.check('')]).toEqual([SERVING, NOT_SERVING]);
  probe.close();
  await health.stop();
});

it('listens only where a port is set, and names the setting when that is taken', async () => {
  const settings = z.object(healthSettings);
  expect(loadConfig(settings, {}).HEALTH_PORT).toBeUndefined();
  expect((await startHealthServer({ host: '127.0.0.1', port: undefined })).port).toBeUndefined();
  const first = await startHealthServer({ host: '127.0.0.1', port: 0 });
  const taken = startHealthServer({ host: '127.0.0.1', port: first.port });
  await expect(taken).rejects.toThrow(new StartError(`HEALTH_PORT: cannot listen on 127.0.0.1:${first.port}: the port is taken`));
  await first.stop();
});
