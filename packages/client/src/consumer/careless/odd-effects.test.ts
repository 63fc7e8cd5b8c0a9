import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../../test/support/until.ts';
import { TestBed, TOPIC } from '../../../test/consumer-kit.ts';
import { STORES } from '../../../test/stores.ts';
import { EffectDeferred } from '../errors.ts';
import type { EffectHandler } from '../types.ts';

const refuses = () => {
  throw new Error('of the trap');
};

const ANSWERS: [string, () => unknown][] = [
  ['nothing', () => undefined],
  ['null', () => null],
  ['a number', () => 250],
  ['a text', () => '250 ok'],
  ['a number as result', () => ({ result: 250 })],
  ['an object as result', () => ({ result: { code: 250 } })],
  ['null as result', () => ({ result: null })],
  ['a symbol as result', () => ({ result: Symbol('x') })],
  ['an object without text as result', () => ({ result: Object.create(null) })],
  ['a result that throws', () => Object.defineProperty({}, 'result', { get: refuses })],
  ['a long text cut within a character', () => ({ result: `x${'😀'.repeat(600)}` })],
  ['half a surrogate', () => ({ result: '\ud800' })],
  ['NUL', () => ({ result: 'a\u0000b' })],
];

const DEFERRALS: [string, ConstructorParameters<typeof EffectDeferred>][] = [
  ['NaN', ['x', { waitMs: Number.NaN }]],
  ['no wait', ['x', {} as never]],
  ['for ever', ['x', { waitMs: Number.POSITIVE_INFINITY }]],
  ['a huge wait', ['x', { waitMs: 1e30 }]],
  ['a negative wait', ['x', { waitMs: -5 }]],
  ['a text as wait', ['x', { waitMs: '20' as never }]],
  ['a long name', ['x', { waitMs: 10, waitsFor: 'n'.repeat(100) }]],
  ['a name of other characters', ['x', { waitMs: 10, waitsFor: 'почта' }]],
  ['a name that is no text', ['x', { waitMs: 10, waitsFor: 5 as never }]],
  ['half a surrogate in words', [`x${'😀'.repeat(600)}`, { waitMs: 10 }]],
];

/** Those of DEFERRALS that wait a year. */
const LONG = ['for ever', 'a huge wait'];

describe.each(STORES)('an effect, on %s', (_name, makeStore) => {
  let bed: TestBed;
  beforeEach(async () => {
    bed = await TestBed.open(makeStore);
  });
  afterEach(() => bed.close());

  const mailer = (run: EffectHandler['run']): EffectHandler => ({
    effects: () => [{ key: 'a' }],
    run,
    timeoutMs: 5_000,
    leaseMs: 6_000,
    onUncertain: 'repeat',
    concurrency: 8,
  });

  it('that was done is done once, whatever its run answers', async () => {
    const sent: string[] = [];
    await bed.run(
      mailer(async (_effect, message) => {
        sent.push(message.messageKey);
        return ANSWERS[Number(message.messageKey)]?.[1]() as never;
      }),
    );
    for (const index of ANSWERS.keys()) bed.broker.deliver({ messageKey: `${index}`, topic: TOPIC, body: 'x' });
    const left = async () => {
      const states = await Promise.all(ANSWERS.map(async ([name], index) => [name, (await bed.inbox(`${index}`))?.state] as const));
      return states.filter(([, state]) => state !== 30).map(([name]) => name);
    };
    await until(async () => (await left()).length === 0).catch(() => undefined);
    const times = (index: number) => sent.filter((key) => key === `${index}`).length;
    const often = ANSWERS.flatMap(([name], index) => (times(index) === 1 ? [] : [`${name}: ${times(index)}`]));
    expect({ left: await left(), often }).toEqual({ left: [], often: [] });
  });

  it('that is deferred by odd words is deferred: by the usual wait where there is none, and not for ever', async () => {
    const tries = new Map<string, number>();
    await bed.run(
      mailer(async (_effect, message) => {
        const n = (tries.get(message.messageKey) ?? 0) + 1;
        tries.set(message.messageKey, n);
        const deferral = DEFERRALS[Number(message.messageKey)]?.[1];
        if (n < 2 && deferral) throw new EffectDeferred(...deferral);
        return {};
      }),
    );
    for (const index of DEFERRALS.keys()) bed.broker.deliver({ messageKey: `${index}`, topic: TOPIC, body: 'x' });
    const isLong = (name: string) => LONG.includes(name);
    const ended = async () => {
      const rows = await Promise.all(DEFERRALS.map(async ([name], index) => [name, (await bed.inbox(`${index}`))?.state, tries.get(`${index}`)]));
      return rows.every(([name, state, n]) => (isLong(`${name}`) ? n === 1 : state === 30 && n === 2));
    };
    await until(ended);
    for (const [index, [name]] of DEFERRALS.entries()) {
      const given = async () => (await bed.effects(`${index}`))[0] as Record<string, unknown>;
      await until(async () => (await given()).claim === null);
      expect([name, (await given()).deferrals, (await given()).attempts]).toEqual([name, 1, isLong(name) ? 1 : 2]);
    }
  });
});
