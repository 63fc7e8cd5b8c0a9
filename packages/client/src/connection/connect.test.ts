import { RetryInfo } from '@tpc/gen/google/rpc/error_details';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeRefusal, FakeTpc } from '../testing/index.ts';
import { connectTpc, errorOfItem, type TpcConnection, TpcError } from './index.ts';

const request = { producerGroup: 'g', messageKey: 'k' };

describe('connection to TPC', () => {
  let fake: FakeTpc;
  let tpc: TpcConnection;
  beforeEach(async () => {
    fake = await new FakeTpc().start();
    tpc = connectTpc({ address: fake.address, token: 'secret' });
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    tpc.close();
    fake.die();
  });

  it('sends the token with every call', async () => {
    await tpc.registerProducer({ producerGroup: 'g', storeId: 's', instanceId: 'i', topics: [], host: '', outboxRetention: undefined });
    expect(fake.calls[0]?.metadata.authorization).toBe('Bearer secret');
  });

  it('tells status, reason and field of a refusal', async () => {
    fake.beforeCall = () => {
      throw new FakeRefusal('INVALID_ARGUMENT', 'TPC100500010', 'nobody subscribes', 'message.topic');
    };
    const error = (await tpc.confirmAndSendMessage(request).catch((thrown) => thrown)) as TpcError;
    expect(error).toBeInstanceOf(TpcError);
    expect(error).toMatchObject({
      status: 'INVALID_ARGUMENT',
      reason: 'TPC100500010',
      field: 'message.topic',
      message: 'nobody subscribes',
      unavailable: false,
      retryable: false,
    });
  });

  it('goes past a proxy of the environment on loopback, and names it in what fails behind it', async () => {
    // Nobody listens there.
    vi.stubEnv('http_proxy', 'http://127.0.0.1:9');
    const near = connectTpc({ address: fake.address });
    const far = connectTpc({ address: 'tpc.example.com:50051', deadlineMs: 2_000 });
    await near.confirmAndSendMessage(request).catch((error: TpcError) => expect(error.status).toBe('NOT_FOUND'));
    await expect(far.confirmAndSendMessage(request)).rejects.toThrow('(through the proxy that http_proxy names)');
    near.close();
    far.close();
  });

  it('tells the error of one item of a batch', async () => {
    const { results } = await tpc.batchConfirmAndSendMessage({ producerGroup: 'g', messageKeys: ['nowhere'] });
    const error = errorOfItem(results[0]?.status);
    expect(error).toMatchObject({ status: 'NOT_FOUND', reason: 'TPC10050002' });
    expect(error?.is('TPC10050002')).toBe(true);
    expect(errorOfItem({ code: 0, message: '', details: [] })).toBeUndefined();
    expect(errorOfItem(undefined)).toMatchObject({ status: 'UNKNOWN', unavailable: true });
  });

  it.each([
    [2, 2_000],
    [10 ** 12, 3_600_000],
    [-5, 0],
  ])('reads a wish to wait for %i seconds within sensible bounds', (seconds, expected) => {
    const value = Buffer.from(RetryInfo.encode({ retryDelay: { seconds: BigInt(seconds), nanos: 0 } }).finish());
    const error = errorOfItem({ code: 8, message: 'later', details: [{ typeUrl: 'type.googleapis.com/google.rpc.RetryInfo', value }] });
    expect(error?.retryAfterMs).toBe(expected);
  });

  it('says unavailable for a frozen TPC once the deadline is over', async () => {
    fake.freeze();
    await expect(tpc.confirmAndSendMessage(request, { deadlineMs: 50 })).rejects.toMatchObject({ status: 'DEADLINE_EXCEEDED', unavailable: true });
  });

  it('says unavailable while TPC is away, and works again after its return', async () => {
    fake.die();
    await expect(tpc.confirmAndSendMessage(request, { deadlineMs: 2000 })).rejects.toMatchObject({ unavailable: true, retryable: true });
    await fake.start();
    const deadline = performance.now() + 10_000;
    for (;;) {
      const error = (await tpc.confirmAndSendMessage(request, { deadlineMs: 2000 }).catch((thrown) => thrown)) as TpcError;
      if (error.reason === 'TPC10050002') break;
      if (performance.now() > deadline) throw error;
    }
  });

  it('ends a call by its signal, also one that has not begun', async () => {
    fake.freeze();
    const ending = new AbortController();
    const call = tpc.confirmAndSendMessage(request, { signal: ending.signal });
    await fake.until(() => fake.calls.length === 1);
    ending.abort();
    await expect(call).rejects.toMatchObject({ status: 'CANCELLED' });
    await expect(tpc.confirmAndSendMessage(request, { signal: ending.signal })).rejects.toMatchObject({ status: 'CANCELLED' });
  });
});
