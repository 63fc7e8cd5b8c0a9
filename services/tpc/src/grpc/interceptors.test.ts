import { status } from '@grpc/grpc-js';
import type { CallContext } from '@tpc/platform';
import { describe, expect, it } from 'vitest';
import { callInterceptors, intercept } from './interceptors.ts';

const context = {} as CallContext;

describe('interceptors of the calls', () => {
  it('let nothing through before the database is ready, and say when to try again', async () => {
    let calls = 0;
    let ready = false;
    const handlers = intercept(
      { work: async (_request: unknown, _context: CallContext) => ++calls },
      callInterceptors(() => ready),
    );
    await expect(handlers.work({}, context)).rejects.toMatchObject({
      status: status.UNAVAILABLE,
      reason: 'STORE_UNAVAILABLE',
      retryAfterMs: expect.any(Number),
    });
    expect(calls).toBe(0);
    ready = true;
    expect(await handlers.work({}, context)).toBe(1);
  });

  it('make what goes wrong inside a typed error', async () => {
    const failing = async (_request: unknown, _context: CallContext): Promise<never> => {
      throw Object.assign(new Error('x'), { code: 'ECONNREFUSED' });
    };
    const handlers = intercept(
      { failing },
      callInterceptors(() => true),
    );
    await expect(handlers.failing({}, context)).rejects.toMatchObject({ reason: 'STORE_UNAVAILABLE' });
  });
});
