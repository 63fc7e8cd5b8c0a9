import { compile } from 'html-to-text';

/** Longer HTML gets no text alternative: the conversion would hold up the process. Characters. */
const MAX_HTML = 256 * 1024;
const LINE_WIDTH = 78;

const convert = compile({
  wordwrap: LINE_WIDTH,
  limits: { maxInputLength: MAX_HTML, maxDepth: 64 },
  selectors: [
    { selector: 'img', format: 'skip' },
    { selector: 'a', options: { hideLinkHrefIfSameAsText: true, linkBrackets: false } },
    { selector: 'h1', options: { uppercase: false } },
    { selector: 'h2', options: { uppercase: false } },
    { selector: 'h3', options: { uppercase: false } },
    { selector: 'table', options: { uppercaseHeaderCells: false } },
  ],
});

/**
 * The text alternative of an HTML mail, for readers without HTML and for spam filters that expect one; links stand behind their text.
 * @returns undefined when nothing readable comes out, or the HTML is too long or too twisted to convert
 */
export function htmlToPlainText(html: string): string | undefined {
  if (html.length > MAX_HTML) return undefined;
  try {
    return convert(html).trim() || undefined;
  } catch {
    // The HTML part alone is a good mail; a producer's odd markup must not keep it from being sent.
    return undefined;
  }
}
