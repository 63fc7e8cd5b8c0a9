import { createLog, loadConfig } from '@tpc/platform';
import { expect, it, vi } from 'vitest';
import { configSchema } from '../src/config.ts';
import type { Publishing } from '../src/flows/publishing.ts';
import type { PublishItem } from '../src/store/store-types.ts';
import type { PassCounts, Worker } from '../src/workers/worker.ts';

export const silentLog = createLog({ service: 'test', level: 'silent', format: 'json' });

export type WorkerUnderTest = {
  /** Makes the worker with nothing due. `passes` counts its passes. */
  make: () => { worker: Worker; passes: () => number; emptyCounts: PassCounts };
  /** Makes the worker with a setting that cannot work. */
  makeBroken: () => unknown;
};

/** The tests that every background duty passes. Each has its defaults tested beside them. */
export function exerciseWorker({ make, makeBroken }: WorkerUnderTest): void {
  it('refuses a setting that cannot work', () => {
    expect(makeBroken).toThrow(RangeError);
  });

  it('starts and stops a hundred times, also twice at once, and runs no pass after its stop', async () => {
    const { worker, passes } = make();
    for (let round = 0; round < 100; round++) {
      worker.start();
      worker.start();
      if (round % 3 === 0) worker.wake();
      await Promise.all([worker.stop(), worker.stop()]);
    }
    const afterStop = passes();
    worker.wake();
    await new Promise(setImmediate);
    expect(passes()).toBe(afterStop);
    worker.start();
    await vi.waitFor(() => expect(passes()).toBeGreaterThan(afterStop));
    await worker.stop();
  });

  it('stops at once while idle', async () => {
    const { worker, passes } = make();
    worker.start();
    await vi.waitFor(() => expect(passes()).toBeGreaterThan(0));
    // The poll interval of these tests is an hour: a stop that waited for it would run into the test's time limit.
    await worker.stop();
  });

  it('does nothing in a pass when nothing is due', async () => {
    const { worker, emptyCounts } = make();
    expect(await worker.runOnce()).toEqual(emptyCounts);
  });
}

/** Poll interval with which a worker under test looks only when started or woken, milliseconds. */
export const NEVER_POLLS_MS = 3_600_000;

/** The settings when nothing is set. */
export const bareConfig = loadConfig(configSchema, {});

export function publishItem(messageId: number): PublishItem {
  const content = { topic: 'T', tag: '', body: Buffer.from('b'), contentType: '', headers: {}, traceparent: '', tracestate: '' };
  return { messageId, messageKey: `P:${messageId}`, producerGroup: 'P', generation: 1, attempts: 0, content };
}

/** Publishing that only notes what it is given; `stuck`: nothing of it ever gets done. */
export function fakePublishing(
  state: { connected?: boolean; stuck?: boolean } = {},
): Pick<Publishing, 'newClaim' | 'publish' | 'connected'> & { handedOver(): number[] } {
  const ids: number[] = [];
  return {
    newClaim: () => ({ token: 1, leaseMs: 10_000, endsAt: Number.POSITIVE_INFINITY }),
    publish: async (_claim, items) => {
      for (const { messageId } of items) ids.push(messageId);
      if (state.stuck) await new Promise(() => undefined);
    },
    connected: () => state.connected ?? true,
    handedOver: () => ids,
  };
}
