import { credentials, Metadata, status } from '@grpc/grpc-js';
import { LogLevel, LogServiceClient, type SetLogLevelRequest, type SetLogLevelResponse } from '@tpc/gen/ops/v1/log_service';
import { describe, expect, it } from 'vitest';
import {
  type Answer,
  answerOf,
  call,
  kit,
  logged,
  open,
  sha256,
  start,
  target,
  useAccessKit,
  VIEWER,
  viewer,
  writeTokens,
} from '../../test/access-kit.ts';

useAccessKit();

const OPERATOR = 'tpc_the-token-of-an-operator';
const { LOG_LEVEL_DEBUG, LOG_LEVEL_TRACE, LOG_LEVEL_UNSPECIFIED, LOG_LEVEL_SILENT } = LogLevel;

function client(): LogServiceClient {
  const made = new LogServiceClient(target(), credentials.createInsecure());
  kit.clients.push(made);
  return made;
}

type Set = Answer & { parts: SetLogLevelResponse['parts'] };

function set(request: Partial<SetLogLevelRequest>, token = ''): Promise<Set> {
  const metadata = new Metadata();
  if (token !== '') metadata.set('authorization', `Bearer ${token}`);
  const full = { part: '', level: LOG_LEVEL_UNSPECIFIED, resetAfter: undefined, ...request };
  return new Promise((resolve) => {
    client().setLogLevel(full, metadata, (error, response) => resolve({ ...answerOf(error), parts: response?.parts ?? [] }));
  });
}

describe('the level of the log, changed by gRPC', () => {
  it('takes hold at once, and shows in the list', async () => {
    await start({ tokensFile: undefined });
    expect((await set({ part: 'opc', level: LOG_LEVEL_SILENT })).parts).toMatchObject([{ name: 'opc', level: LOG_LEVEL_SILENT }]);
    kit.lines.length = 0;
    kit.work = () => Promise.reject(new Error('broken'));
    await call(open());
    expect(logged('call failed')).toBe(false);
    await set({ level: LOG_LEVEL_DEBUG });
    await call(open());
    expect(logged('call failed')).toBe(true);
    const list = await new Promise<{ name: string; level: number }[]>((resolve, reject) => {
      client().listLogParts({}, (error, response) => (error ? reject(error) : resolve(response.parts)));
    });
    expect(list).toMatchObject([{ name: 'opc', level: LOG_LEVEL_DEBUG }]);
    expect((await set({})).parts).toMatchObject([{ name: 'opc', level: LOG_LEVEL_TRACE }]);
  });

  it('says when it goes back', async () => {
    await start({ tokensFile: undefined });
    const { parts } = await set({ level: LOG_LEVEL_DEBUG, resetAfter: { seconds: 60n, nanos: 0 } });
    expect(parts[0]?.resetTime?.getTime()).toBeGreaterThan(Date.now());
  });

  it.each([
    ['a part that is not there', { part: 'opc.nothing', level: LOG_LEVEL_DEBUG }, status.NOT_FOUND, 'LOG_PART_NOT_FOUND'],
    ['a level that is none', { level: 55 as 50 }, status.INVALID_ARGUMENT, 'LOG_REQUEST_INVALID'],
    ['more than a day', { level: LOG_LEVEL_DEBUG, resetAfter: { seconds: 86_401n, nanos: 0 } }, status.INVALID_ARGUMENT, 'LOG_REQUEST_INVALID'],
    ['no time at all', { level: LOG_LEVEL_DEBUG, resetAfter: { seconds: 0n, nanos: 0 } }, status.INVALID_ARGUMENT, 'LOG_REQUEST_INVALID'],
  ])('refuses %s', async (_, request, code, reason) => {
    await start({ tokensFile: undefined });
    expect(await set(request)).toMatchObject({ code, reason });
  });

  it('takes the role operator; a viewer may only look', async () => {
    writeTokens(viewer(), { kind: 'operator', name: 'bob', role: 'operator', sha256: sha256(OPERATOR) });
    await start();
    expect(await set({ level: LOG_LEVEL_DEBUG })).toMatchObject({ code: status.UNAUTHENTICATED });
    expect(await set({ level: LOG_LEVEL_DEBUG }, VIEWER)).toMatchObject({ code: status.PERMISSION_DENIED, reason: 'ROLE_NEEDED' });
    expect(await set({ level: LOG_LEVEL_DEBUG }, OPERATOR)).toMatchObject({ code: status.OK });
    const metadata = new Metadata();
    metadata.set('authorization', `Bearer ${VIEWER}`);
    expect(await new Promise((resolve) => client().listLogParts({}, metadata, (error) => resolve(answerOf(error).code)))).toBe(status.OK);
  });
});
