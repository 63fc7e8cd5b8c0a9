import { describe, expect, it } from 'vitest';
import { parseSearch } from './search.ts';

const valuesOf = (query: string) => parseSearch(query).map(({ sql, value }) => [/m\.\w+|lower\(m\.message_id\)/.exec(sql)?.[0], value]);

describe('a search', () => {
  it.each([
    ['an empty one finds every mail', '  ', []],
    [
      'fields and quotes',
      'from:a@x.com subject:"two words"',
      [
        ['m.from_text', 'a@x.com'],
        ['m.subject_text', 'two words'],
      ],
    ],
    ['capitals do not matter', 'TO:A@X.com', [['m.to_text', 'a@x.com']]],
    ['a Message-ID with its brackets', 'message-id:<a.1@tpc>', [['lower(m.message_id)', 'a.1@tpc']]],
    ['an unknown field is a word like others', 'http://x.com:80/', [['m.subject_text', 'http://x.com:80/']]],
    ['a quoted phrase without a field', '"hello you"', [['m.subject_text', 'hello you']]],
    ['a field without a value asks nothing', 'to:', [['m.subject_text', 'to:']]],
  ])('%s', (_name, query, expected) => {
    expect(valuesOf(query)).toEqual(expected);
  });

  it('never puts what was typed into the SQL', () => {
    for (const { sql } of parseSearch(`subject:"' OR 1=1 --" '; DROP TABLE mail`)) expect(sql).not.toMatch(/1=1|DROP/);
  });
});
