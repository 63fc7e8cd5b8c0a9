import { expect, it } from 'vitest';
import { throttled } from './throttled.ts';

it('tells each kind at once, then once a second with how often it came', () => {
  let now = 0;
  const told: string[] = [];
  const say = throttled<string>(
    (event) => event,
    (event, times) => told.push(`${event} ${times}`),
    () => now,
  );
  for (const event of ['a', 'a', 'b', 'a']) say(event);
  now = 1_000;
  say('a');
  expect(told).toEqual(['a 1', 'b 1', 'a 3']);
});

it('is not filled by ever new kinds', () => {
  const told: string[] = [];
  const say = throttled<string>(
    (event) => event,
    (event) => told.push(event),
    () => 0,
  );
  for (let n = 0; n < 1_000; n++) say(String(n));
  expect(told).toHaveLength(65);
});
