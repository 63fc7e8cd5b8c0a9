import type { KeyValueStore } from '@tpc/platform';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

/** A store under test, with a way to let time pass for it. */
export type KeyValueUnderTest = { store: KeyValueStore; advance: (ms: number) => Promise<void> };

/** What every key-value store must do. */
export function exerciseKeyValueStore(name: string, make: () => Promise<KeyValueUnderTest>): void {
  describe(`key-value store: ${name}`, () => {
    let tested: KeyValueUnderTest;
    beforeEach(async () => {
      tested = await make();
    });
    afterEach(() => tested.store.close());

    it('gives back what was set until it expires', async () => {
      await tested.store.set('k', 'v', 1_000);
      expect(await tested.store.get('k')).toBe('v');
      await tested.advance(1_001);
      expect(await tested.store.get('k')).toBeUndefined();
    });

    it('counts from 1, and starts anew when the first has expired', async () => {
      expect(await tested.store.increment('c', 1_000)).toBe(1);
      await tested.advance(600);
      expect(await tested.store.increment('c', 1_000)).toBe(2);
      await tested.advance(500);
      expect(await tested.store.increment('c', 1_000)).toBe(1);
    });

    it('counts every caller when many come at once', async () => {
      const counts = await Promise.all(Array.from({ length: 50 }, () => tested.store.increment('c', 60_000)));
      expect([...counts].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
    });

    it('deletes, and a missing key is no error', async () => {
      await tested.store.set('k', 'v', 1_000);
      await tested.store.delete('k');
      await tested.store.delete('k');
      expect(await tested.store.get('k')).toBeUndefined();
    });

    it('keeps text as it is', async () => {
      await tested.store.set('k', '中文 "\n\u0000', 1_000);
      expect(await tested.store.get('k')).toBe('中文 "\n\u0000');
    });
  });
}
