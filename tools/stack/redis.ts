import { mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { program } from './install.ts';
import type { StackPart } from './part.ts';
import { HOST, type StackSettings, stateFolder } from './settings.ts';

/** Redis; keeps its data in an append-only file. */
export function redisPart(settings: StackSettings): StackPart {
  const folder = stateFolder(settings, 'redis');
  const port = settings.STACK_REDIS_PORT;
  return {
    name: 'redis',
    title: 'Redis',
    ports: [{ port, setting: 'STACK_REDIS_PORT' }],
    after: [],
    stopWithinMs: 10_000,
    async command() {
      mkdirSync(folder, { recursive: true });
      const options = { port, bind: HOST, dir: folder, appendonly: 'yes', save: '', daemonize: 'no', maxmemory: '128mb' };
      return { file: program('redis-server'), args: Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]), cwd: folder };
    },
    probe: () => ping(port),
  };
}

/** Resolves when a Redis answers; while it loads its file it answers, but not with PONG. */
async function ping(port: number): Promise<void> {
  const socket = connect({ host: HOST, port, timeout: 2_000 });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', () => socket.write('PING\r\n'));
      socket.once('data', (answer) => (String(answer).startsWith('+PONG') ? resolve() : reject(new Error(String(answer).trim()))));
      socket.once('timeout', () => reject(new Error('no answer within 2 s')));
      socket.once('error', reject);
    });
  } finally {
    socket.destroy();
  }
}
