import { describe, expect, it } from 'vitest';
import { parseSubscriptions } from './subscriptions.ts';

describe('parseSubscriptions', () => {
  it.each([
    ['T@A||B', [{ topic: 'T', tags: ['A', 'B'] }]],
    [
      ' T @ A || B ; U ;',
      [
        { topic: 'T', tags: ['A', 'B'] },
        { topic: 'U', tags: [] },
      ],
    ],
    ['T@*', [{ topic: 'T', tags: [] }]],
    [`${'T%_-9'.padEnd(64, 'z')}@A`, [{ topic: 'T%_-9'.padEnd(64, 'z'), tags: ['A'] }]],
    ['T@A;T@B||A', [{ topic: 'T', tags: ['A', 'B'] }]],
    ['T@A;T', [{ topic: 'T', tags: [] }]],
    ['T;T@A', [{ topic: 'T', tags: [] }]],
  ])('reads %j', (text, subscriptions) => {
    expect(parseSubscriptions(text)).toEqual({ subscriptions });
  });

  it('says in words what is wrong', () => {
    expect(parseSubscriptions(' ; ')).toEqual({ problem: 'no topic is named' });
    expect(parseSubscriptions('T; U@A|B ')).toEqual({ problem: '"U@A|B" is not TOPIC@TAG||TAG' });
  });

  it.each(['', ' ; ', '@A', 'T@', 'T@A|B', 'T@A@B', 'T@A||', 'T T@A', `${'T'.repeat(65)}@A`])('refuses %j', (text) => {
    expect(parseSubscriptions(text)).toHaveProperty('problem');
  });
});
