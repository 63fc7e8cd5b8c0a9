import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exerciseKeyValueStore } from '@tpc/conformance';
import { openSqliteKeyValueStore } from './sqlite-key-value-store.ts';

exerciseKeyValueStore('SQLite', async () => {
  let now = 1_700_000_000_000;
  const file = join(mkdtempSync(join(tmpdir(), 'tpc-kv-')), 'kv.db');
  return {
    store: openSqliteKeyValueStore(file, () => now),
    advance: async (ms) => {
      now += ms;
    },
  };
});
