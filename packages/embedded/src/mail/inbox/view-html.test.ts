import { describe, expect, it } from 'vitest';
import { VIEW_HEADERS, viewHtml } from './view-html.ts';

const noParts = () => undefined;

describe("a mail's HTML in the inbox", () => {
  it('may run no script, send no form, and load nothing from elsewhere', () => {
    const policy = VIEW_HEADERS['content-security-policy'];
    expect(policy).toContain("default-src 'none'");
    expect(policy).toMatch(/^sandbox /);
    expect(policy).not.toMatch(/allow-scripts|allow-same-origin|allow-top-navigation|script-src|https?:/);
  });

  it('opens every link in a new tab, whatever target the mail asks for', () => {
    const html = viewHtml('<A HREF="http://x/?a>b" target=_top rel="opener">go</A><area href="/y">', noParts);
    expect(html).toContain('<A target="_blank" rel="noopener noreferrer" HREF="http://x/?a>b">go');
    expect(html).toContain('<area target="_blank" rel="noopener noreferrer" href="/y">');
    expect(html).not.toContain('_top');
  });

  it('leaves other tags that begin with a alone', () => {
    expect(viewHtml('<article target="x"><abbr title="y">', noParts)).toContain('<article target="x"><abbr title="y">');
  });

  it('finds embedded images by their Content-ID, and leaves unknown ones', () => {
    const html = viewHtml('<img src="cid:logo%40x"><img src=cid:none>', (id) => (id === 'logo@x' ? '/part/2' : undefined));
    expect(html).toContain('<img src="/part/2"><img src=cid:none>');
  });

  it('keeps the doctype first, so that the layout mode stays', () => {
    expect(viewHtml('<!DOCTYPE html><html><head><title>x</title>', noParts)).toMatch(/^<!DOCTYPE html><html><head><base target="_blank">/);
    expect(viewHtml('<!DOCTYPE html><p>x', noParts)).toMatch(/^<!DOCTYPE html><base /);
    expect(viewHtml('<p>x', noParts)).toMatch(/^<!doctype html><meta charset="utf-8"><base /);
  });
});
