import type { Running } from '@tpc/platform';
import type { HealthState } from '../http/health-routes.ts';

/** How often the state is looked at, milliseconds. */
const WATCH_EVERY_MS = 2_000;

export type HealthWatchParts = {
  health: () => Promise<HealthState>;
  setHealth: (part: string, serving: boolean) => void;
};

/** Keeps grpc.health.v1 in step with what /readyz says: the whole service, and each named part. */
export function createHealthWatch({ health, setHealth }: HealthWatchParts): Running & { start(): Promise<void>; runOnce(): Promise<void> } {
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> | undefined;
  const runOnce = async () => {
    const { ready, parts } = await health();
    setHealth('', ready);
    for (const [part, state] of Object.entries(parts)) setHealth(part, state === 'ok');
  };
  const look = () => {
    looking ??= runOnce().finally(() => {
      looking = undefined;
    });
  };
  return {
    runOnce,
    async start() {
      await runOnce();
      timer = setInterval(look, WATCH_EVERY_MS);
    },
    async stop() {
      clearInterval(timer);
      await looking;
    },
  };
}
