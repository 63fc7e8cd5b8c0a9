import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { until } from '../../../../../test/support/until.ts';
import { TestBed, TOPIC } from '../../../test/consumer-kit.ts';
import { SQLITE } from '../../../test/stores.ts';
import { TpcError } from '../../connection/index.ts';
import { ReportKind } from '../domain/states.ts';
import { outcomeOfHeartbeat } from '../lifecycle/registration.ts';
import { latestPerDelivery } from './reporter.ts';

const report = (messageKey: string, kind: ReportKind, generation = 1) => ({ messageKey, generation, kind, reason: '', detail: '' });
const { RECEIVED, CONSUMED, FAILED } = ReportKind;

describe('latestPerDelivery', () => {
  it('lets a receive and its consumed of one flush travel as consumed only', () => {
    expect(latestPerDelivery([report('a', RECEIVED), report('b', RECEIVED), report('a', CONSUMED)])).toEqual([
      report('a', CONSUMED),
      report('b', RECEIVED),
    ]);
  });

  it('never lets a receive stand for an end', () => {
    expect(latestPerDelivery([report('a', CONSUMED), report('a', RECEIVED)])).toEqual([report('a', CONSUMED)]);
    expect(latestPerDelivery([report('a', FAILED), report('a', CONSUMED)])).toEqual([report('a', CONSUMED)]);
  });

  it('keeps generations apart', () => {
    expect(latestPerDelivery([report('a', RECEIVED, 1), report('a', CONSUMED, 2)])).toHaveLength(2);
  });
});

describe('a receive', () => {
  it('waits for its outcome as long as reports are gathered, though the flush that it came into goes sooner', async () => {
    const bed = await TestBed.open(SQLITE[1]);
    try {
      const door = Promise.withResolvers<void>();
      const handle = async (_tx: unknown, { messageKey }: { messageKey: string }) => (messageKey === 'late' ? door.promise : undefined);
      await bed.run({ handle }, { reportLingerMs: 1_000, reportRepeatMs: 60_000 });
      const reports = () => bed.tpc.calls.map(({ method }) => method).filter((method) => method.startsWith('batchConfirm'));
      bed.broker.deliver({ messageKey: 'early', topic: TOPIC, body: 'x' });
      await until(async () => (await bed.inbox('early'))?.state === 30);
      await sleep(500);
      bed.broker.deliver({ messageKey: 'late', topic: TOPIC, body: 'x' });
      await until(() => reports().length >= 1);
      door.resolve();
      await until(() => reports().length >= 2);
      expect(reports()).toEqual(['batchConfirmConsumedMessage', 'batchConfirmConsumedMessage']);
    } finally {
      await bed.close();
    }
  });

  it('and every other report names the inbox database and the instance', async () => {
    const bed = await TestBed.open(SQLITE[1]);
    try {
      await bed.run({ handle: async () => undefined }, { instanceId: 'instance-1' });
      bed.broker.deliver({ messageKey: 'one', topic: TOPIC, body: 'x' });
      await until(() => bed.tpc.calls.some(({ method }) => method === 'batchConfirmConsumedMessage'));
      const registered = bed.tpc.calls.find(({ method }) => method === 'registerConsumer')?.request as { storeId: string };
      const reports = bed.tpc.calls.filter(({ method }) => method.startsWith('batchConfirm')).map(({ request }) => request);
      for (const request of reports) expect(request).toMatchObject({ storeId: registered.storeId, instanceId: 'instance-1' });
    } finally {
      await bed.close();
    }
  });

  it('is told while its handler is still at work', async () => {
    const bed = await TestBed.open(SQLITE[1]);
    const door = Promise.withResolvers<void>();
    try {
      await bed.run({
        effects: () => [{ key: 'a' }],
        run: () => door.promise.then(() => ({})),
        timeoutMs: 20_000,
        leaseMs: 30_000,
        onUncertain: 'repeat',
        concurrency: 1,
      });
      bed.broker.deliver({ messageKey: 'slow', topic: TOPIC, body: 'x' });
      await until(() => bed.tpc.calls.some(({ method }) => method === 'batchConfirmReceiveMessage'));
    } finally {
      door.resolve();
      await bed.close();
    }
  });
});

describe('outcomeOfHeartbeat', () => {
  const error = (status: TpcError['status'], reason = '', metadata = {}) =>
    new TpcError('x', { status, reason, metadata, field: '', retryAfterMs: undefined });
  it.each([
    [undefined, 'accepted'],
    [error('UNAVAILABLE'), 'unavailable'],
    [error('DEADLINE_EXCEEDED'), 'unavailable'],
    [error('RESOURCE_EXHAUSTED'), 'unavailable'],
    [error('PERMISSION_DENIED'), 'refused'],
    [error('INVALID_ARGUMENT'), 'refused'],
    [error('FAILED_PRECONDITION', 'INBOX_STORE_CONFLICT'), 'conflict'],
    [error('FAILED_PRECONDITION', 'TPC10050099', { name: 'INBOX_STORE_CONFLICT' }), 'conflict'],
  ] as const)('%o is %s', (given, expected) => {
    expect(outcomeOfHeartbeat(given)).toBe(expected);
  });
});
