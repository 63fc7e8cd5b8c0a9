import { expect, it } from 'vitest';
import { htmlToPlainText } from './plain-text.ts';

it('keeps text and links, and leaves out what is no text', () => {
  const html =
    '<html><head><style>p{color:red}</style></head><body><h1>欢迎</h1><p>Hello <b>Ann</b></p><a href="https://example.com/a?x=1">Activate</a></body></html>';
  const text = htmlToPlainText(html) ?? '';
  expect(text).toContain('欢迎');
  expect(text).toContain('Hello Ann');
  expect(text).toContain('Activate https://example.com/a?x=1');
  expect(text).not.toMatch(/color|</);
});

it('gives none for HTML without text, too long HTML, or HTML nested without end', () => {
  expect(htmlToPlainText('<img src="x.png">')).toBeUndefined();
  expect(htmlToPlainText('x'.repeat(300_000))).toBeUndefined();
  expect(() => htmlToPlainText('<div>'.repeat(50_000))).not.toThrow();
});
