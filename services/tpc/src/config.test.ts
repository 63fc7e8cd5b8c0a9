import { describeConfig, loadConfig } from '@tpc/platform';
import { expect, it } from 'vitest';
import { configSchema } from './config.ts';
import { idleTransactionSeconds, policiesOf } from './policies.ts';

it('needs no setting at all, and describes each', () => {
  expect(loadConfig(configSchema, {})).toMatchObject({ TPC_GRPC_PORT: 50_051, BIND_HOST: '127.0.0.1', BROKER_ENDPOINTS: '127.0.0.1:8081' });
  for (const { key, defaultValue, description } of describeConfig(configSchema)) {
    expect(defaultValue, key).not.toBe('required');
    expect(description, key).not.toBe('');
  }
});

it('makes the store wait as the settings say', () => {
  const policies = policiesOf(
    loadConfig(configSchema, { TPC_CHECK_FIRST_MS: '11', TPC_CHECK_MAX_MS: '22', TPC_REDELIVER_PASSED_MS: '33', TPC_HEARTBEAT_INTERVAL_MS: '44' }),
  );
  expect(policies.check).toMatchObject({ firstWaitMs: 11, maxWaitMs: 22, maxAttempts: undefined });
  expect(policies).toMatchObject({ overtakenByMs: 33, instanceGoneMs: 132 });
});

it.each([
  [2_000, 1],
  [10_000, 5],
  [30_000, 10],
  [600_000, 10],
])('ends a frozen transaction well before a lease of %d ms: after %d s', (leaseMs, seconds) => {
  expect(idleTransactionSeconds(leaseMs)).toBe(seconds);
});
