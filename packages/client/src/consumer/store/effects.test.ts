import { bodyInPacket, DEFAULT_MAX_BODY_BYTES, inTransaction } from '@tpc/core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { GROUP, TestBed } from '../../../test/consumer-kit.ts';
import { STORES } from '../../../test/stores.ts';
import type { EffectPlan } from '../types.ts';
import { insertEffects } from './effects.ts';

const KEY = { messageKey: 'k', generation: 1 };
/** JSON of 60,000 bytes. */
const LARGEST_PAYLOAD = 'x'.repeat(60_000 - 2);

describe.each(STORES)('the plan of a message, on %s', (_name, open) => {
  let bed: TestBed;
  beforeAll(async () => {
    bed = await TestBed.open(open);
  });
  afterAll(() => bed.close());
  beforeEach(async () => void (await bed.store.knex('tpc_inbox_effect').delete()));

  const plan = (plans: readonly EffectPlan[]) =>
    inTransaction(bed.store.knex, (tx) => insertEffects(tx, GROUP, KEY, plans, { token: 'one', leaseMs: 60_000 }));
  const stored = async () => (await bed.effects('k')).map(({ effect_key }) => effect_key);

  it('needs no statement beyond the smallest packet with which a consumer starts, however many payloads it has', async () => {
    const sizes: number[] = [];
    const note = ({ sql, bindings }: { sql: string; bindings?: readonly unknown[] }) => {
      // A payload is written in hexadecimal digits.
      const values = (bindings ?? []).map((value) => (Buffer.isBuffer(value) ? 2 * value.length + 3 : String(value).length + 2));
      if (sql.startsWith('INSERT')) sizes.push(values.reduce((sum, size) => sum + size, sql.length));
    };
    bed.store.knex.on('query', note);
    const keys = Array.from({ length: 120 }, (_, index) => `to ${String(index).padStart(3, '0')}`);
    await plan(keys.map((key) => ({ key, payload: LARGEST_PAYLOAD }))).finally(() => bed.store.knex.off('query', note));
    expect(await stored()).toEqual(keys);
    expect(bodyInPacket(Math.max(...sizes))).toBeLessThanOrEqual(DEFAULT_MAX_BODY_BYTES);
  });

  it.each([
    ['is empty', ''],
    ['has 256 characters', 'x'.repeat(256)],
    ['ends with a blank', 'a '],
    ['is a blank', ' '],
    ['holds half of a surrogate pair', 'a\ud800'],
  ])('is refused whole where a key %s: two keys that the database takes for one would be one effect', async (_what, key) => {
    await expect(plan([{ key: 'a' }, { key }])).rejects.toThrow(/^the key of an effect /);
    expect(await stored()).toEqual([]);
  });

  it('keeps keys apart that differ in case, in accents, or in blanks before the end', async () => {
    const keys = [' a', '  a', 'A', 'a', 'a a', 'a  a', 'a\t', 'a\u00a0', 'a\u0000', 'á', 'a\u0301'];
    await plan(keys.map((key) => ({ key })));
    expect((await stored()).sort()).toEqual([...keys].sort());
  });
});
