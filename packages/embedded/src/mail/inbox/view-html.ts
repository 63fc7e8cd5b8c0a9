/**
 * A mail's HTML as a page of its own, for the sandboxed frame of the inbox and for `/view/{ID}.html`. The safety is in VIEW_HEADERS, which the
 * browser enforces: no scripts, no forms, no requests to anywhere but this server. What is rewritten here is for use only: links
 * open in a new tab, embedded images are found.
 */

/** No remote content: showing a mail must send nothing to anyone, least of all fetch a one-time link that stands in an image. */
export const VIEW_HEADERS = {
  'content-security-policy': [
    'sandbox allow-popups allow-popups-to-escape-sandbox',
    "default-src 'none'",
    "style-src 'unsafe-inline'",
    "img-src 'self' data:",
    'font-src data:',
    "form-action 'none'",
    "base-uri 'none'",
    "frame-ancestors 'self'",
  ].join('; '),
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
} as const;

/** Stands first, so that the mail's own styles win. */
const HEAD =
  '<base target="_blank"><style>:root{color-scheme:light}body{font-family:system-ui,sans-serif;line-height:1.5;margin:16px;overflow-wrap:anywhere}img{max-width:100%}</style>';

/** @param partUrl gives the address of the embedded part with a Content-ID, or undefined where the mail has none. */
export function viewHtml(html: string, partUrl: (contentId: string) => string | undefined): string {
  const linked = html
    .replace(/<(a|area)\b((?:"[^"]*"|'[^']*'|[^>"'])*)>/gi, (_tag, name: string, attributes: string) => {
      const kept = attributes.replace(/\s(?:target|rel)\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>]+)/gi, '');
      return `<${name} target="_blank" rel="noopener noreferrer"${kept.startsWith(' ') || kept === '' ? '' : ' '}${kept}>`;
    })
    .replace(/\bcid:([^"'\s)>]+)/gi, (reference, contentId: string) => partUrl(decode(contentId)) ?? reference);
  return insertHead(linked);
}

/** Puts HEAD where it keeps the document's doctype, and thereby its layout mode, in force. */
function insertHead(html: string): string {
  const place = /<head\b[^>]*>/i.exec(html) ?? /<html\b[^>]*>/i.exec(html) ?? /^\s*<!doctype[^>]*>/i.exec(html);
  if (!place) return `<!doctype html><meta charset="utf-8">${HEAD}${html}`;
  const at = place.index + place[0].length;
  return `${html.slice(0, at)}${HEAD}${html.slice(at)}`;
}

function decode(contentId: string): string {
  try {
    return decodeURIComponent(contentId);
  } catch {
    // A stray percent sign: the id is then meant as it stands.
    return contentId;
  }
}
