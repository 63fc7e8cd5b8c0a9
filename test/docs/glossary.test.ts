import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { expect, it } from 'vitest';

const PAGE = resolve(import.meta.dirname, '../../docs/glossary.md');
const page = readFileSync(PAGE, 'utf8');

/** Each shape of a message with the file that the page names. */
const shapes = [...page.matchAll(/^\|[^|]*\|([^|]*)\| \[[^\]]*\]\(([^)]+)\) \|$/gm)].flatMap(([, names = '', file = '']) =>
  [...names.matchAll(/`(\w+)`/g)].map(([, name = '']) => ({ name, file })),
);

it('names many shapes', () => {
  expect(shapes.length).toBeGreaterThan(20);
});

it.each(shapes)('$name is defined in $file', ({ name, file }) => {
  const text = readFileSync(resolve(dirname(PAGE), file), 'utf8');
  expect(text).toMatch(new RegExp(`^(export (type|interface|class)|message) ${name}\\b`, 'm'));
});

it('gives each word one meaning', () => {
  const words = [...page.matchAll(/^\| ([^|`]+) \| [A-Z`]/gm)].map(([, word]) => word as string);
  expect(words.length).toBeGreaterThan(60);
  expect(words).toEqual([...new Set(words)]);
});
