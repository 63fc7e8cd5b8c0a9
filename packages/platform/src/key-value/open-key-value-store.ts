import type { KeyValueStore } from './key-value-store.ts';
import { openRedisKeyValueStore, type RedisKeyValueOptions } from './redis-key-value-store.ts';
import { openSqliteKeyValueStore } from './sqlite-key-value-store.ts';

const SQLITE = 'sqlite:';

/**
 * Opens the key-value store of an address: `sqlite:<file>`, or Redis.
 * @throws StartError naming the setting, when it is wrong
 */
export async function openKeyValueStore(options: RedisKeyValueOptions): Promise<KeyValueStore> {
  if (options.url.startsWith(SQLITE)) return openSqliteKeyValueStore(options.url.slice(SQLITE.length));
  return openRedisKeyValueStore(options);
}
