/**
 * Values that expire: counters of rate limits, caches. Losing all of it loses nothing that matters; truth stands in the services'
 * databases.
 */
export interface KeyValueStore {
  get(key: string): Promise<string | undefined>;
  /** @param ttlMs milliseconds until it is gone */
  set(key: string, value: string, ttlMs: number): Promise<void>;
  /** Adds one and answers the new count. The time to live starts with the first and is not renewed. */
  increment(key: string, ttlMs: number): Promise<number>;
  delete(key: string): Promise<void>;
  /** Whether it answers, for health. */
  state(): KeyValueState;
  close(): Promise<void>;
}

export type KeyValueState = {
  connected: boolean;
  /** Why it is not connected; empty when it is. Holds no password. */
  error: string;
  /** When the state last changed, milliseconds of the process's wall clock. */
  since: number;
};
