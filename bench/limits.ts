import type { Progress } from '../tools/stack/progress.ts';
import type { Quantiles } from './quantiles.ts';
import { program, type Starting, start } from './systems.ts';

/** What the parts beneath can do alone, each a second. */
export type Limits = {
  commitsOneConnection: number;
  commits64Connections: number;
  singleSends64Callers: number;
  batchSends: number;
  /** From send to receipt at 200 messages a second, milliseconds. */
  hop: Quantiles;
};

/** Also warms the broker: a JVM that has just been started halves every figure. */
export async function measureLimits(starting: Starting, seconds: number, progress: Progress): Promise<Limits> {
  const child = start(starting, 'limits', program('limits'), { BENCH_DATABASE_URL: starting.databases.peers });
  try {
    return await progress.step('raw limits: MariaDB, RocketMQ', async () => {
      await child.ask('batchSends', { seconds });
      return {
        commitsOneConnection: await child.ask<number>('commits', { connections: 1, seconds: seconds / 2 }),
        commits64Connections: await child.ask<number>('commits', { connections: 64, seconds: seconds / 2 }),
        singleSends64Callers: await child.ask<number>('singleSends', { callers: 64, seconds }),
        batchSends: await child.ask<number>('batchSends', { seconds }),
        hop: await child.ask<Quantiles>('hop', { perSecond: 200, seconds }),
      };
    });
  } finally {
    starting.started.splice(starting.started.indexOf(child), 1);
    await child.stop();
  }
}
