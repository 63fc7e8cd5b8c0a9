import { describe, expect, it } from 'vitest';
import { DEFAULTS, settingsOf } from './defaults.ts';
import type { ConsumerOptions, EffectHandler } from './types.ts';

const options = {
  knex: undefined as never,
  tpc: undefined as never,
  subscribe: undefined as never,
  group: 'CID_OPC',
  subscriptions: [{ topic: 'T', tags: [] }],
  handlers: { T: { handle: async () => {} } },
} satisfies ConsumerOptions;
const effects: EffectHandler = { effects: () => [], run: async () => ({}), timeoutMs: 10, leaseMs: 20, onUncertain: 'hold', concurrency: 1 };

describe('settingsOf', () => {
  it('fills in every default, also for what is given as undefined', () => {
    expect(settingsOf({ ...options, leaseMs: undefined } as unknown as ConsumerOptions)).toMatchObject({ ...DEFAULTS, retry: { maxAttempts: 16 } });
    expect(settingsOf({ ...options, leaseMs: 5 }).leaseMs).toBe(5);
  });

  it.each([
    ['group', { group: 'no spaces' }],
    ['subscriptions', { subscriptions: [] }],
    ['handlers', { handlers: {} }],
    ['concurrency', { concurrency: 0 }],
    ['poisonAfter', { poisonAfter: 0 }],
    ['handlers.T.maxBatch', { handlers: { T: { handleBatch: async () => {}, maxBatch: 0 } } }],
    ['handlers.T.timeoutMs', { handlers: { T: { ...effects, timeoutMs: 20 } } }],
    ['handlers.T.concurrency', { handlers: { T: { ...effects, concurrency: 0 } } }],
  ])('refuses a wrong %s by its name', (name, wrong) => {
    expect(() => settingsOf({ ...options, ...wrong } as ConsumerOptions)).toThrow(name);
  });
});
