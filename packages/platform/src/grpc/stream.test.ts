import { Duplex } from 'node:stream';
import { Metadata, type ServerDuplexStream } from '@grpc/grpc-js';
import { descriptorSet } from '@tpc/gen/descriptors';
import type { ServerReflectionRequest, ServerReflectionResponse } from '@tpc/gen/grpc/reflection/v1/reflection';
import { expect, it } from 'vitest';
import type { AuthenticatedCall } from '../auth/authenticator.ts';
import { authError } from '../auth/reasons.ts';
import { createLog } from '../log/log.ts';
import { createReflection } from './reflection.ts';
import { answerEach } from './stream.ts';

type Call = ServerDuplexStream<ServerReflectionRequest, ServerReflectionResponse>;
const log = createLog({ service: 'test', level: 'silent', format: 'json' });
const reflection = createReflection(descriptorSet, ['a.B']);

/** A call on the side of the server, whose answers leave when the test lets them. */
function fakeCall() {
  const waiting: { answer: ServerReflectionResponse; leave: () => void }[] = [];
  const stream = new Duplex({ objectMode: true, read: () => undefined, write: (answer, _, leave) => void waiting.push({ answer, leave }) });
  const errors: { code: number; details: string }[] = [];
  stream.on('error', (error) => void errors.push(error as never));
  const call = Object.assign(stream, { metadata: new Metadata(), getPath: () => '/x' }) as unknown as Call;
  return { call, waiting, errors, ask: (request: object) => call.push({ host: '', ...request }) };
}

function serving(call: Call, reply = reflection) {
  const ending = new AbortController();
  const authenticated: AuthenticatedCall = { caller: { kind: 'anyone' }, ended: ending.signal, leave: () => undefined };
  answerEach(reply, { domain: 'x', log, authenticatedCallOf: () => authenticated })(call);
  return ending;
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

it('makes one answer at a time while nobody reads them, and all in their order once somebody does', async () => {
  const { call, waiting, ask } = fakeCall();
  let made = 0;
  serving(call, (request) => {
    made++;
    return reflection(request);
  });
  for (let n = 0; n < 12; n++) ask({ fileContainingSymbol: n % 2 === 0 ? 'tpc.v1.ReliableMessageService' : 'tpc.v1.MessageAdminService' });
  await settled();
  expect([made, waiting.length, call.writableLength]).toEqual([1, 1, 1]);
  for (let n = 0; n < 12; n++) {
    expect(waiting[n]?.answer.originalRequest?.fileContainingSymbol).toContain(n % 2 === 0 ? 'Reliable' : 'Admin');
    waiting[n]?.leave();
    await settled();
  }
  expect(made).toBe(12);
});

it('ends with a status when an answer cannot be made, or the caller may no longer be here', async () => {
  const failing = fakeCall();
  serving(failing.call, () => {
    throw new RangeError('the inside');
  });
  failing.ask({ listServices: '' });
  await expect.poll(() => failing.errors).toMatchObject([{ code: 13, details: 'An unexpected error; the server has logged it.' }]);

  const dismissed = fakeCall();
  const ending = serving(dismissed.call);
  dismissed.ask({ listServices: '' });
  await settled();
  ending.abort(authError('TOKEN_UNKNOWN'));
  await expect.poll(() => dismissed.errors).toMatchObject([{ code: 16 }]);
});

it('encodes each file once', () => {
  const filesOf = (symbol: string) => reflection({ host: '', fileContainingSymbol: symbol } as never).fileDescriptorResponse?.fileDescriptorProto;
  const [first, second] = [filesOf('tpc.v1.ReliableMessageService'), filesOf('tpc.v1.ReliableMessageService')];
  expect(first?.length).toBeGreaterThan(1);
  expect(first?.every((file, index) => file === second?.[index])).toBe(true);
});
