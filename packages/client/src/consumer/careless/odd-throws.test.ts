import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../../test/support/until.ts';
import { TestBed, TOPIC, takeEffect } from '../../../test/consumer-kit.ts';
import { STORES } from '../../../test/stores.ts';
import { BadMessageError, EffectDeferred, EffectFailed } from '../errors.ts';
import type { ConsumedMessage } from '../types.ts';

const refuses = () => {
  throw new Error('of the trap');
};
const hostile = () => new Proxy(new Error('behind'), { get: refuses, getPrototypeOf: refuses, has: refuses, ownKeys: refuses });
const revoked = () => {
  const { proxy, revoke } = Proxy.revocable(new Error('gone'), {});
  revoke();
  return proxy;
};
const selfCaused = () => {
  const error = new Error('round');
  error.cause = error;
  return error;
};

const ODD: [string, () => unknown][] = [
  ['undefined', () => undefined],
  ['null', () => null],
  ['a number', () => 42],
  ['a symbol', () => Symbol('odd')],
  ['a bigint', () => 1n],
  ['a function', () => () => 1],
  ['an object without prototype', () => Object.create(null)],
  ['an object that has no text', () => ({ toString: refuses })],
  ['a frozen error', () => Object.freeze(new Error('cold'))],
  ['a proxy whose traps throw', hostile],
  ['a revoked proxy', revoked],
  ['an error whose message throws', () => Object.defineProperty(new Error('x'), 'message', { get: refuses })],
  ['an error whose message is an object', () => Object.assign(new Error('x'), { message: { a: 1 } })],
  ['an error whose code is a symbol', () => Object.assign(new Error('x'), { code: Symbol('c') })],
  ['an error that causes itself', selfCaused],
  ['an error without a name', () => Object.assign(new Error('x'), { name: undefined })],
  ['half a surrogate', () => new Error('half \ud800')],
  ['a text cut within a character', () => new Error(`x${'😀'.repeat(600)}`)],
  ['NUL and control characters', () => new Error('a\u0000b\u0001c')],
  ['a bad message with an odd reason', () => new BadMessageError({ toString: () => 'obj' } as never, 5 as never)],
  ['a bad message whose detail was replaced', () => Object.assign(new BadMessageError('x'), { message: 7 })],
  ['a failed effect from a transactional handler', () => new EffectFailed('FINE', 'x')],
  ['a deferral from a transactional handler', () => new EffectDeferred('x', { waitMs: 1 })],
  ['a bad message with half a surrogate', () => new BadMessageError(`y${'😀'.repeat(600)}`)],
];

describe.each(STORES)('what a handler throws, on %s', (_name, makeStore) => {
  let bed: TestBed;
  beforeEach(async () => {
    bed = await TestBed.open(makeStore);
  });
  afterEach(() => bed.close());

  it('ends its own message alone, whatever it is', async () => {
    const consumer = await bed.run({
      async handle(tx, message) {
        await takeEffect(tx, message);
        const odd = ODD[Number(message.messageKey.slice(1))];
        if (message.messageKey.startsWith('o') && odd) throw odd[1]();
      },
    });
    for (const index of ODD.keys()) {
      bed.broker.deliver({ messageKey: `o${index}`, topic: TOPIC, body: 'x' }, { messageKey: `g${index}`, topic: TOPIC, body: 'x' });
    }
    await until(() => consumer.state().counters.consumed === ODD.length, 30_000);
    const failed = () => new Set(bed.heard('failed').map(({ messageKey }) => messageKey));
    const open = () => ODD.filter((_, index) => !failed().has(`o${index}`)).map(([name]) => name);
    await until(() => open().length === 0).catch(() => expect(open()).toEqual([]));
    for (const index of ODD.keys()) expect(await bed.took(`o${index}`)).toBe(0);
  });

  it('finds its message at the next try as it was, whatever the last one has done to it', async () => {
    const seen: string[] = [];
    const spoil = ({ body, headers }: ConsumedMessage) => {
      seen.push(`${Buffer.from(body)} ${headers.h}`);
      body.fill(0);
      Object.assign(headers, { h: 'spoilt' });
    };
    await bed.run({
      async handle(_tx, message) {
        spoil(message);
        // A deadlock's victim is run again at once, from memory.
        if (seen.length < 3) throw Object.assign(new Error('deadlock'), { errno: 1213 });
      },
    });
    bed.broker.deliver({ messageKey: 'm1', topic: TOPIC, body: 'body', headers: { h: 'first' } });
    await until(() => bed.heard('consumed').length === 1);
    expect(seen).toEqual(Array(3).fill('body first'));
  });
});
