import { describe, expect, it } from 'vitest';
import { MAX_DELAY_LEVEL, MAX_GENERATION, MAX_HOST_LENGTH, MAX_KEY_LENGTH, MAX_NAME_LENGTH } from './limits.ts';
import {
  checkConsumerGroup,
  checkDelayLevel,
  checkFailureReason,
  checkGeneration,
  checkHost,
  checkInstanceId,
  checkKeySyntax,
  checkMessageKey,
  checkProducerGroup,
  checkStoredKey,
  checkStoreId,
  checkTag,
  checkTopic,
  isPlainText,
  type Violation,
} from './syntax.ts';

type Rule = {
  check: (field: string, value: string) => Violation[];
  what: string;
  code: string;
  max: number;
  good: string;
  bad: string;
  allowed: string;
};

const NAME = { max: MAX_NAME_LENGTH, good: 'aZ09_-', bad: '.', allowed: '[A-Za-z0-9_-]' };
const RULES: readonly Rule[] = [
  { ...NAME, check: checkProducerGroup, what: 'The producer group', code: 'PRODUCER_GROUP' },
  { ...NAME, check: checkConsumerGroup, what: 'The consumer group', code: 'CONSUMER_GROUP' },
  { ...NAME, check: checkStoreId, what: 'The store id', code: 'STORE_ID' },
  { ...NAME, check: checkTopic, what: 'The topic', code: 'TOPIC' },
  { ...NAME, check: checkTag, what: 'The tag', code: 'TAG' },
  { ...NAME, check: checkInstanceId, what: 'The instance id', code: 'INSTANCE_ID', good: 'aZ09_.:-', bad: '@', allowed: '[A-Za-z0-9_.:-]' },
  { ...NAME, check: checkFailureReason, what: 'The reason', code: 'REASON', good: 'AZ09_', bad: 'a', allowed: '[A-Z0-9_]' },
  { check: checkKeySyntax, what: 'The message key', code: 'KEY', max: MAX_KEY_LENGTH, good: 'aZ09_.:@-', bad: '#', allowed: '[A-Za-z0-9_.:@-]' },
];

describe.each(RULES)('$what', ({ check, what, code, max, good, bad, allowed }) => {
  it('takes every character that is allowed, up to its length', () => {
    expect(check('f', good)).toEqual([]);
    expect(check('f', 'X'.repeat(max))).toEqual([]);
  });

  it('is refused in words when it is too long', () => {
    const description = `${what} has ${max + 1} characters; at most ${max} are allowed.`;
    expect(check('f', 'X'.repeat(max + 1))).toEqual([{ field: 'f', reason: `${code}_TOO_LONG`, description }]);
  });

  it.each(['first', 'last'])('is refused in words for a character that is not allowed, also as the %s one', (place) => {
    const description = `${what} may hold only characters of ${allowed}.`;
    expect(check('f', place === 'first' ? `${bad}X` : `X${bad}`)).toEqual([{ field: 'f', reason: `${code}_SYNTAX`, description }]);
  });

  it('may be empty only where that has a meaning', () => {
    const mayBeEmpty = ['STORE_ID', 'TAG'].includes(code);
    expect(check('f', '')).toEqual(mayBeEmpty ? [] : [{ field: 'f', reason: `${code}_EMPTY`, description: `${what} is required.` }]);
  });
});

describe('a host', () => {
  it('is any text without control characters, up to its length', () => {
    expect(checkHost('f', 'pod-1 (10.0.0.1) ä')).toEqual([]);
    expect(checkHost('f', '')).toEqual([]);
    expect(checkHost('f', 'x'.repeat(MAX_HOST_LENGTH))).toEqual([]);
    expect(checkHost('f', 'x'.repeat(MAX_HOST_LENGTH + 1))).toEqual([
      { field: 'f', reason: 'HOST_TOO_LONG', description: 'The host has 129 characters; at most 128 are allowed.' },
    ]);
    expect(checkHost('f', 'a\nb')).toEqual([{ field: 'f', reason: 'HOST_SYNTAX', description: 'The host holds control characters.' }]);
  });
});

describe('a key as it is stored', () => {
  const hash = '0123456789abcdef';
  it.each([
    [`P:1#${hash}`, true],
    [`P:1#${hash}#${hash}`, false],
    [`P:1#${hash}0`, false],
    [`P:1#0${hash}`, false],
    [`P:1#${hash.toUpperCase()}`, false],
    [`P:1#${hash}x`, false],
    [`${'k'.repeat(MAX_KEY_LENGTH)}#${hash}`, true],
  ])('%s: %s', (key, good) => {
    expect(checkStoredKey('f', key)).toHaveLength(good ? 0 : 1);
  });
});

describe('a key that a producer chooses', () => {
  const uuid = '0198c0de-0a0b-7c0d-8e0f-0123456789ab';
  const description = 'The message key must be a UUID in lower case, or begin with "P:" and go on.';
  it.each([uuid, 'P:1', 'P::'])('%s is its own', (key) => {
    expect(checkMessageKey('f', key, 'P')).toEqual([]);
  });

  it.each([`${uuid}0`, `0${uuid}`, uuid.replace('c', 'C'), uuid.replaceAll('-', ''), 'P', 'P:', 'xP:1', 'PQ:1'])('%s may be of another', (key) => {
    expect(checkMessageKey('f', key, 'P')).toEqual([{ field: 'f', reason: 'KEY_OWNER', description }]);
  });

  it('is told that it is no key before whose it is', () => {
    expect(checkMessageKey('f', 'Q:ä', 'P')).toMatchObject([{ reason: 'KEY_SYNTAX' }]);
  });
});

describe('numbers', () => {
  it.each([
    [checkDelayLevel, MAX_DELAY_LEVEL, 'DELAY_LEVEL_BAD', 'The delay level must be 0 to 18.'],
    [checkGeneration, MAX_GENERATION, 'GENERATION_BAD', 'The generation must be a whole number from 0 to 1000000.'],
  ] as const)('of %o go from 0 to %i', (check, max, reason, description) => {
    for (const good of [0, 1, max]) expect(check('f', good)).toEqual([]);
    for (const bad of [-1, 0.5, max + 1, Number.NaN]) expect(check('f', bad)).toEqual([{ field: 'f', reason, description }]);
  });
});

it.each([
  ['', true],
  ['你好 😀', true],
  ['a\u0000', false],
  ['\u0085', false],
  ['\ud83d', false],
])('%j is plain text: %s', (text, plain) => {
  expect(isPlainText(text)).toBe(plain);
});
