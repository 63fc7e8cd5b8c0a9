/** Random messages as a caller might hand them to `outbox.add`, good and bad: control characters, Unicode, edges of size in characters and in bytes. */
import type { OutboxMessage } from '@tpc/client/producer';
import { DEFAULT_MAX_BODY_BYTES, MAX_HEADERS, MAX_HEADERS_BYTES, MAX_KEY_LENGTH, MAX_NAME_LENGTH } from '@tpc/core';
import fc from 'fast-check';

export const GROUP = 'g'.repeat(MAX_NAME_LENGTH);
export const TOPIC = `T_${'t'.repeat(MAX_NAME_LENGTH - 2)}`;

const ODD_TEXTS = [
  '',
  ' ',
  '  both ends  ',
  '\t',
  '\n',
  '\u0000',
  '\u0001',
  'x\u0002y',
  '\u007f',
  '\u0085',
  '\ud800',
  'half \udc00',
  '\ufeff',
  '\uffff',
  '你好',
  '👩‍🚀',
  'a=b;c',
  '"\\',
];

/** Text of any characters; sometimes just below or above a length. */
const textOf = (...edges: number[]) =>
  fc.oneof(
    { weight: 4, arbitrary: fc.string({ unit: 'grapheme-composite', maxLength: 30 }) },
    { weight: 2, arbitrary: fc.string({ unit: 'grapheme-ascii', maxLength: 80 }) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) },
    { weight: 3, arbitrary: fc.constantFrom(...ODD_TEXTS) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(fc.constantFrom('x', 'é', '你', '😀'), fc.constantFrom(...edges), fc.integer({ min: -2, max: 2 }))
        .map(([unit, edge, off]) => unit.repeat(Math.max(0, edge + off))),
    },
  );

const word = fc.string({ unit: fc.constantFrom(...'abcXYZ019_-'), minLength: 1, maxLength: MAX_NAME_LENGTH });
const nameOf = (good: fc.Arbitrary<string>) => fc.oneof({ weight: 12, arbitrary: good }, { weight: 1, arbitrary: textOf(MAX_NAME_LENGTH) });

const headerName = fc.oneof(
  { weight: 12, arbitrary: fc.string({ unit: fc.constantFrom(...'abcXYZ019_.-'), minLength: 1, maxLength: MAX_NAME_LENGTH }) },
  { weight: 1, arbitrary: fc.constantFrom('tpc-key', 'TPC', '__proto__', 'constructor', 'toString', 'KEYS', 'TAGS', 'traceparent', '0') },
  { weight: 1, arbitrary: textOf(MAX_NAME_LENGTH) },
);

/** Values that are good, of a few bytes. */
const plainValue = fc.oneof(
  fc.string({ unit: 'grapheme-composite', maxLength: 20 }),
  fc.constantFrom('', ' ', '  both ends  ', '\ufeff', '\uffff', '你好', '👩‍🚀', 'a=b;c', '"\\'),
);

const headers = fc.oneof(
  { weight: 6, arbitrary: fc.dictionary(headerName, plainValue, { maxKeys: 6 }) },
  { weight: 3, arbitrary: fc.dictionary(headerName, textOf(8, MAX_HEADERS_BYTES - 1, MAX_HEADERS_BYTES / 2), { maxKeys: 3 }) },
  {
    weight: 1,
    arbitrary: fc
      .integer({ min: MAX_HEADERS - 1, max: MAX_HEADERS + 1 })
      .map((count) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`h${n}`, n % 2 === 0 ? '' : 'v']))),
  },
);

const key = fc.oneof(
  { weight: 6, arbitrary: fc.constant(undefined) },
  { weight: 4, arbitrary: fc.uuid().map((uuid) => `${GROUP}:${uuid}`) },
  { weight: 2, arbitrary: fc.uuid() },
  { weight: 1, arbitrary: textOf(MAX_KEY_LENGTH - GROUP.length - 1).map((own) => `${GROUP}:${own}`) },
  { weight: 1, arbitrary: textOf(MAX_KEY_LENGTH) },
);

const body = fc.oneof(
  { weight: 6, arbitrary: fc.string({ unit: 'grapheme-composite', minLength: 1, maxLength: 60 }) },
  { weight: 6, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 200 }) },
  { weight: 2, arbitrary: textOf(100) },
  { weight: 1, arbitrary: fc.constantFrom(DEFAULT_MAX_BODY_BYTES, DEFAULT_MAX_BODY_BYTES + 1).map((size) => new Uint8Array(size).fill(1)) },
);

/** @param topic of all of them; without it some have a bad one */
export function anyMessage(topic?: string): fc.Arbitrary<OutboxMessage> {
  const contentType = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom('', 'text/plain', ' ', 'application/json; a="b"') },
    { weight: 1, arbitrary: textOf(128) },
  );
  const message = fc.record({
    topic: topic === undefined ? nameOf(word) : fc.constant(topic),
    tag: nameOf(fc.oneof(word, fc.constant(''))),
    body,
    contentType,
    headers,
    key,
  });
  return message.map(({ key: own, ...rest }) => (own === undefined ? rest : { ...rest, key: own }));
}

/** The largest message that the rules allow, in every field. */
export function largestMessage(own: string): OutboxMessage {
  const one = MAX_HEADERS_BYTES / MAX_HEADERS;
  const names = Array.from({ length: MAX_HEADERS }, (_, n) => `${n}`.padStart(MAX_NAME_LENGTH, 'h'));
  return {
    topic: TOPIC,
    tag: 'A'.repeat(MAX_NAME_LENGTH),
    key: `${GROUP}:${own}`.padEnd(MAX_KEY_LENGTH, 'k'),
    contentType: 'c'.repeat(128),
    headers: Object.fromEntries(names.map((name) => [name, 'é'.repeat((one - MAX_NAME_LENGTH) / 2)])),
    body: new Uint8Array(DEFAULT_MAX_BODY_BYTES).fill(0xff),
  };
}
