import { describe, expect, it } from 'vitest';
import { createChaos, refusalOf } from './chaos.ts';

describe('an address', () => {
  it.each([
    ['refuse-550@example.com', { code: 550, message: 'refused, as the name asks' }],
    ['Refuse-450+ann@example.com', { code: 450, message: 'refused, as the name asks' }],
    ['refuse-554-5.7.1@example.com', { code: 554, message: '5.7.1 refused, as the name asks' }],
    ['refuse-250@example.com', undefined],
    ['refuse-5500@example.com', undefined],
    ['ann.refuse-550@example.com', undefined],
    ['ann@refuse-550.example', undefined],
  ])('%s', (address, refusal) => {
    expect(refusalOf(address)).toEqual(refusal);
  });
});

describe('the triggers', () => {
  const off = {
    Sender: { ErrorCode: 451, Probability: 0 },
    Recipient: { ErrorCode: 451, Probability: 0 },
    Authentication: { ErrorCode: 535, Probability: 0 },
  };

  it('are off at first, and again by an empty object', () => {
    const chaos = createChaos(() => 0);
    expect(chaos.triggers()).toEqual(off);
    chaos.set('{"Sender": {"ErrorCode": 550, "Probability": 100}, "Recipient": {"Probability": 5}}');
    expect(chaos.triggers()).toEqual({ ...off, Sender: { ErrorCode: 550, Probability: 100 }, Recipient: { ErrorCode: 451, Probability: 5 } });
    expect(chaos.set('{}')).toEqual(off);
  });

  it('refuse as many of a hundred as they say', () => {
    let drawn = 0;
    const chaos = createChaos(() => drawn);
    chaos.set('{"Sender": {"ErrorCode": 421, "Probability": 30}}');
    const refused = [0, 0.299, 0.3, 0.999].map((random) => {
      drawn = random;
      return chaos.refuses('Sender')?.code;
    });
    expect(refused).toEqual([421, 421, undefined, undefined]);
    expect(chaos.refuses('Authentication')).toBeUndefined();
  });

  it.each([
    ['{"Sender": {"ErrorCode": 250}}', 'Sender.ErrorCode'],
    ['{"Recipient": {"Probability": 101}}', 'Recipient.Probability'],
    ['{"Recipient": {"Probability": "5"}}', 'Recipient.Probability'],
    ['{"Data": {}}', 'there is no trigger Data'],
    ['[]', 'no JSON object'],
    ['{', 'no JSON'],
  ])('refuse %s', (json, words) => {
    expect(() => createChaos().set(json)).toThrow(words);
  });
});
