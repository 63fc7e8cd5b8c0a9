import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { until } from '../../../../test/support/until.ts';
import { type ProducerFixture, setUpProducer } from '../../test/setup-producer.ts';
import { STORES } from '../../test/stores.ts';

const MESSAGE = { topic: 'SEND_EMAIL_TOPIC', body: 'x' };
const breaking = () => {
  throw new Error('telemetry is broken');
};

describe.each(STORES)('a producer on %s whose surroundings misbehave', (_name, open) => {
  let fixture: ProducerFixture;
  beforeEach(async () => {
    fixture = await setUpProducer(open);
  });
  afterEach(() => fixture.close());

  it('commits, confirms and answers as usual when telemetry throws', async () => {
    const producer = fixture.replica({ onEvent: breaking, traceContext: breaking });
    const key = await producer.transaction(async (tx, outbox) => {
      await tx('account').insert({ name: 'ada' });
      return outbox.add(MESSAGE);
    });
    expect(await fixture.accounts()).toEqual(['ada']);
    await until(async () => (await fixture.outbox())[key]?.state === 20);
    const own = new Error('no');
    await expect(producer.transaction(() => Promise.reject(own))).rejects.toBe(own);
  });

  it('keeps to sensible waits, whatever TPC asks for', async () => {
    const tpc = { ...fixture.tpc };
    const registered = vi.fn(async () => ({ heartbeatInterval: { seconds: 10n ** 12n, nanos: 0 }, epoch: 0n }) as never);
    tpc.registerProducer = registered;
    const waits: (number | undefined)[] = [];
    // Shorter than that of the fixture's own producer: of one pool the shortest holds.
    const statementLimitMs = 59_000;
    const ownTimer = setTimeout;
    const timer = vi.spyOn(globalThis, 'setTimeout').mockImplementation(((work: () => void, ms?: number) => {
      waits.push(ms);
      // The database would seem to answer nothing.
      if (ms === statementLimitMs) return ownTimer(work, ms);
      return setImmediate(work);
    }) as never);
    const producer = fixture.replica({ tpc, statementLimitMs });
    await producer.start();
    await vi.waitFor(() => expect(registered.mock.calls.length).toBeGreaterThan(1));
    timer.mockRestore();
    await producer.stop(1_000);
    expect(Math.max(...waits.map(Number))).toBeLessThanOrEqual(300_000);
  });

  it('stores what TPC says of a dead message as far as it fits', async () => {
    const dying = fixture.replica({ sweep: { enabled: false, firstWaitMs: 0 } });
    const tpc = { ...fixture.tpc };
    const OK = { code: 0, message: '', details: [] };
    tpc.batchSaveAndSendMessage = async ({ messages }) => ({
      results: messages.map(() => ({ status: OK, state: 50 as never, storedKey: '', reason: `ü${'X'.repeat(300)}` })),
    });
    fixture.fake.beforeCall = ({ method }) => (method === 'batchSaveMessageWaitingConfirm' ? breaking() : undefined);
    const key = await dying.transaction((_tx, outbox) => outbox.add(MESSAGE));
    await until(async () => (await fixture.replica({ tpc }).sweepOnce()).sent === 1);
    const row = (await fixture.outbox())[key];
    expect(row).toMatchObject({ state: 20, reason: expect.stringMatching(/^[ -~]{1,64}$/) });
  });
});
