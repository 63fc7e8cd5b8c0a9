import { createHash } from 'node:crypto';
import type { KeyValueStore, Log } from '@tpc/platform';
import { refuse } from './refusal.ts';

/** At most `max` in each window of `windowMs`, for each value. */
export type Limit = { name: string; value: string; max: number; windowMs: number };

export type RateLimiter = (limits: readonly Limit[]) => Promise<void>;

/**
 * Rate limits over the key-value store. Values (addresses) are hashed. A store that is away limits nobody: it only makes abuse harder, and must not stop
 * people.
 */
export function createRateLimiter(store: KeyValueStore, log: Log): RateLimiter {
  return async (limits) => {
    for (const limit of limits) {
      const count = await countUp(store, limit).catch((err: unknown) => {
        log.warn({ err, limit: limit.name }, 'rate limit skipped: key-value store away');
        return 0;
      });
      if (count > limit.max) throw refuse('UAC10011109', { retryAfterMs: limit.windowMs });
    }
  };
}

function countUp(store: KeyValueStore, { name, value, windowMs }: Limit): Promise<number> {
  const hash = createHash('sha256').update(value).digest('base64url').slice(0, 22);
  return store.increment(`uac:limit:${name}:${hash}`, windowMs);
}
