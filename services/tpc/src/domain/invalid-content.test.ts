import type { Violation } from '@tpc/core';
import { describe, expect, it } from 'vitest';
import { contentHash } from './content-hash.ts';
import { type GivenMessage, INVALID_TOPIC, keepInvalid, WHOLE_MESSAGE_TYPE } from './invalid-content.ts';

const given: GivenMessage = {
  messageKey: 'P:1',
  topic: 'T',
  tag: 'A',
  body: Buffer.from('body'),
  contentType: 'text/plain',
  headers: { a: '1' },
  delayLevel: 0,
  deliverTime: undefined,
  orderKey: '',
  orderSeq: 0n,
};
const broken = (...reasons: string[]): Violation[] => reasons.map((reason) => ({ field: 'message.x', reason, description: `${reason} is broken.` }));
const keep = (changed: Partial<GivenMessage>, violations: readonly Violation[], group = 'P') =>
  keepInvalid({ ...given, ...changed }, group, violations);
const wholeOf = (kept: ReturnType<typeof keepInvalid>) => JSON.parse(kept.content.body.toString('utf8')) as unknown;

describe('a committed message that breaks the rules', () => {
  it.each([['BODY_TOO_LARGE'], ['KEY_OWNER'], ['BODY_TOO_LARGE', 'KEY_OWNER']])(
    'is kept as it came where every column can hold it: %s %s',
    (...reasons) => {
      const { topic, tag, body, contentType, headers } = given;
      expect(keep({}, broken(...reasons)).content).toEqual({ topic, tag, body, contentType, headers });
    },
  );

  it('is kept whole in the body where one column cannot hold its value, though another rule leaves it storable', () => {
    const kept = keep({}, broken('BODY_TOO_LARGE', 'HEADER_RESERVED'));
    expect(kept.content).toMatchObject({ topic: 'T', tag: 'A', contentType: WHOLE_MESSAGE_TYPE, headers: {} });
    expect(wholeOf(kept)).toEqual({
      messageKey: 'P:1',
      topic: 'T',
      tag: 'A',
      contentType: 'text/plain',
      headers: { a: '1' },
      delayLevel: 0,
      orderKey: '',
      orderSeq: '0',
      text: 'body',
    });
  });

  it('is kept whole where it says to be such a body already: what an operator reads there is always ours', () => {
    expect(wholeOf(keep({ contentType: WHOLE_MESSAGE_TYPE }, broken('BODY_TOO_LARGE')))).toMatchObject({
      contentType: WHOLE_MESSAGE_TYPE,
      text: 'body',
    });
  });

  it('gets a topic and a tag that the columns hold in place of its own', () => {
    expect(keep({ topic: 'no topic', tag: 'no tag' }, broken('TOPIC_SYNTAX')).content).toMatchObject({ topic: INVALID_TOPIC, tag: '' });
  });

  it('keeps a body that is not UTF-8, and the times and order that were given', () => {
    const deliverTime = new Date('2026-01-02T03:04:05.000Z');
    expect(wholeOf(keep({ body: Buffer.from([0xff, 0x00]), deliverTime, orderKey: 'o', orderSeq: 2n ** 60n }, broken('TAG_SYNTAX')))).toMatchObject({
      data: '/wA=',
      deliverTime: '2026-01-02T03:04:05.000Z',
      orderKey: 'o',
      orderSeq: '1152921504606846976',
    });
  });

  it('is kept without a delivery time that is none', () => {
    expect(wholeOf(keep({ deliverTime: new Date(Number.NaN) }, broken('DELIVER_TIME_BAD')))).not.toHaveProperty('deliverTime');
  });

  it('tells every broken rule in words, as long as the column is', () => {
    expect(keep({}, broken('TOPIC_SYNTAX', 'TAG_SYNTAX')).invalid.detail).toBe('message.x: TOPIC_SYNTAX is broken. message.x: TAG_SYNTAX is broken.');
    expect(keep({}, broken('X'.repeat(2_000))).invalid.detail).toHaveLength(1024);
  });

  it('has the hash of what came, so that its repetition is known', () => {
    const { invalid } = keep({ delayLevel: 3, deliverTime: new Date(7), orderKey: 'o', orderSeq: 9n }, broken('TOPIC_SYNTAX'));
    const { topic, tag, body, contentType, headers } = given;
    expect(invalid.hash).toEqual(contentHash({ topic, tag, body, contentType, headers, orderKey: 'o', orderSeq: 9, deliverAt: 7, delayMs: 3 }));
    expect(keep({}, broken('TOPIC_SYNTAX')).invalid.hash).toEqual(contentHash({ topic, tag, body, contentType, headers }));
  });
});

it('the names that stand in databases never change', () => {
  expect([WHOLE_MESSAGE_TYPE, INVALID_TOPIC]).toEqual(['application/json; type=tpc.v1.OutgoingMessage', 'INVALID']);
});

describe('the key of a committed message that breaks the rules', () => {
  it('stays where the key itself is good', () => {
    expect(keep({}, broken('TOPIC_SYNTAX')).messageKey).toBe('P:1');
  });

  it.each([
    ['an owner that is not its group', 'OTHER:1', /^OTHER:1#[0-9a-f]{16}$/],
    ['characters that no key has', 'P:ä b/1', /^P:__b_1#[0-9a-f]{16}$/],
    ['more characters than a key has', `P:${'x'.repeat(200)}`, /^P:x{126}#[0-9a-f]{16}$/],
    ['no character', '', /^EMPTY#[0-9a-f]{16}$/],
  ])('with %s becomes readable and no producer’s', (_what, messageKey, expected) => {
    expect(keep({ messageKey }, broken('TOPIC_SYNTAX', 'KEY_SYNTAX')).messageKey).toMatch(expected);
  });

  it('is its own for each original key, group and content, and the same at each repetition', () => {
    const key = (changed: Partial<GivenMessage>, group?: string) => keep({ messageKey: 'ä', ...changed }, broken('KEY_SYNTAX'), group).messageKey;
    const keys = [key({}), key({ messageKey: 'ö' }), key({}, 'Q'), key({ body: Buffer.from('other') })];
    expect(new Set(keys).size).toBe(keys.length);
    expect(key({})).toBe(keys[0]);
  });
});
