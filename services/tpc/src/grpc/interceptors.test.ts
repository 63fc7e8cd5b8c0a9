import { status } from '@grpc/grpc-js';
import { MessageAdminServiceService } from '@tpc/gen/tpc/v1/message_admin_service';
import { ReliableMessageServiceService } from '@tpc/gen/tpc/v1/reliable_message_service';
import type { AppError, CallContext, Caller } from '@tpc/platform';
import { describe, expect, it } from 'vitest';
import { adminCalls, groupCalls, intercept } from './interceptors.ts';

const context = { caller: { kind: 'anyone' } } as CallContext;

describe('interceptors of the calls', () => {
  it('let nothing through before the database is ready, and say when to try again', async () => {
    let calls = 0;
    let ready = false;
    const work = async (_request: unknown, _context: CallContext) => ++calls;
    const handlers = intercept({ work }, () => ready, groupCalls);
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
    const handlers = intercept({ failing }, () => true, groupCalls);
    await expect(handlers.failing({}, context)).rejects.toMatchObject({ reason: 'STORE_UNAVAILABLE' });
  });
});

const CALLERS: Record<string, Caller> = {
  'producer A': { kind: 'producer', group: 'A' },
  'consumer A': { kind: 'consumer', group: 'A' },
  viewer: { kind: 'operator', name: 'v', role: 'viewer' },
  operator: { kind: 'operator', name: 'o', role: 'operator' },
  service: { kind: 'service', name: 's' },
};

function mayCall(rule: ReturnType<typeof groupCalls>, request: unknown): string[] {
  return Object.keys(CALLERS).filter((name) => {
    try {
      rule(CALLERS[name] as Caller, request);
      return true;
    } catch (error) {
      expect((error as AppError).status).toBe(status.PERMISSION_DENIED);
      return false;
    }
  });
}

describe('who may', () => {
  const empty = (definition: object, method: string) =>
    (definition as Record<string, { requestDeserialize: (bytes: Buffer) => object }>)[method]?.requestDeserialize(Buffer.alloc(0)) as object;

  it.each(Object.keys(ReliableMessageServiceService))('%s: nobody but the group of the request', (method) => {
    const request = empty(ReliableMessageServiceService, method);
    const [field, kind] = 'producerGroup' in request ? ['producerGroup', 'producer'] : ['consumerGroup', 'consumer'];
    const rule = groupCalls(method);
    expect(mayCall(rule, { ...request, [field]: 'A' })).toEqual([`${kind} A`]);
    expect(mayCall(rule, { ...request, [field]: 'B' })).toEqual([]);
    expect(mayCall(rule, request)).toEqual([]);
  });

  it.each(Object.keys(MessageAdminServiceService))('%s: operators alone, viewers only to look', (method) => {
    const looks = /^(get|list)/.test(method);
    expect(mayCall(adminCalls(method), empty(MessageAdminServiceService, method))).toEqual(looks ? ['viewer', 'operator'] : ['operator']);
  });

  it('an act that is not known yet: the role operator', () => {
    expect(mayCall(adminCalls('eraseEverything'), {})).toEqual(['operator']);
  });
});
