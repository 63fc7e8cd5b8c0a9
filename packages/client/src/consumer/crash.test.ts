import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../test/support/until.ts';
import { storeAndDie, TestBed, TOPIC } from '../../test/consumer-kit.ts';
import { STORES } from '../../test/stores.ts';

const CHILD = fileURLToPath(new URL('../../test/poison-child.ts', import.meta.url));

describe.each(STORES)('consumer on %s, when its process dies', (_name, makeStore) => {
  let bed: TestBed;
  beforeEach(async () => {
    bed = await TestBed.open(makeStore);
  });
  afterEach(() => bed.close());

  const consumed = (key: string) => async () => (await bed.inbox(key))?.state === 30;
  const deliver = (...keys: string[]) => bed.broker.deliver(...keys.map((messageKey) => ({ messageKey, topic: TOPIC, body: 'x' })));

  it('handles what a process stored and never handled once its lease is over, one such message at a time', async () => {
    const lost = Array.from({ length: 6 }, (_, n) => `s${n}`);
    await storeAndDie(bed.store.knex, lost, 100);
    const running = new Set<string>();
    const company: string[] = [];
    await bed.run({
      effects: () => [{ key: 'a' }],
      run: async (_effect, { messageKey }) => {
        running.add(messageKey);
        const suspects = [...running].filter((key) => key.startsWith('s'));
        if (suspects.length > 1) company.push(suspects.join(' beside '));
        await new Promise(setImmediate);
        running.delete(messageKey);
        return {};
      },
      timeoutMs: 5_000,
      leaseMs: 6_000,
      onUncertain: 'repeat',
      concurrency: 8,
    });
    const others = Array.from({ length: 200 }, (_, n) => `o${n}`);
    deliver(...others);
    for (const key of [...lost, ...others]) await until(consumed(key));
    expect(company).toEqual([]);
    for (const key of lost) expect(await bed.inbox(key)).toMatchObject({ lone_claims: 0, attempts: 1 });
    await until(() => new Set(bed.heard('consumed').map((report) => report.messageKey)).size === 206);
  });

  it('forgets that a process died of a message once its handling has an outcome', async () => {
    await storeAndDie(bed.store.knex, ['e1'], 50);
    const retry = { firstWaitMs: 3_600_000, factor: 1, maxWaitMs: 3_600_000, jitter: 0, maxAttempts: 9 };
    await bed.run({ handle: () => Promise.reject(new Error('450')) }, { retry });
    await until(async () => (await bed.inbox('e1'))?.attempts === 1);
    expect(await bed.inbox('e1')).toMatchObject({ state: 10, lone_claims: 0, claim: null });
  });

  it('ends a message that kills its process as POISON, and none of its neighbours', async () => {
    const { client, connection } = bed.store.knex.client.config as { client: string; connection: object };
    const codes: (number | null)[] = [];
    for (let publish = ['n1', 'poison', 'n2']; codes.at(-1) !== 0 && codes.length < 6; publish = []) {
      const child = spawnSync(process.execPath, ['--conditions=tpc-source', CHILD, JSON.stringify({ client, connection, publish })], {
        encoding: 'utf8',
        timeout: 20_000,
      });
      codes.push(child.status);
      expect([0, 9], child.stderr).toContain(child.status);
    }
    // Once in company, twice in isolation, and then it is not handled any more.
    expect(codes).toEqual([9, 9, 9, 0]);
    expect(await bed.inbox('poison')).toMatchObject({ state: 50, reason: 'POISON', report_kind: 3 });
    for (const key of ['n1', 'n2']) {
      expect(await bed.inbox(key)).toMatchObject({ state: 30 });
      expect(await bed.took(key)).toBe(1);
    }
  });
});
