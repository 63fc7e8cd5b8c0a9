import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exerciseBroker } from '@tpc/conformance';
import { startEmbeddedBroker } from './start.ts';

const folder = mkdtemp(join(tmpdir(), 'tpc-broker-'));
/** Any free port at first, the same one after a restart. */
let port = 0;

exerciseBroker(
  'embedded',
  async () => {
    const broker = await startEmbeddedBroker({ file: join(await folder, 'broker.db'), port });
    port = broker.port;
    return { endpoints: `127.0.0.1:${port}`, stop: broker.stop };
  },
  { invisibleMs: 1_000, pollMs: 1_000, patienceMs: 15_000 },
);
