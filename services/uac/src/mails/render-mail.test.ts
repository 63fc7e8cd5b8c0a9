import { describe, expect, it } from 'vitest';
import { createMailRenderer } from './render-mail.ts';

const settings = {
  publicUrl: () => 'http://uac.test',
  activationLifeMs: 24 * 3_600_000,
  now: () => Date.UTC(2026, 0, 2, 3, 4, 5),
};
const renderer = createMailRenderer(settings);
const values = { loginName: 'alice', email: 'alice@example.com', activeUserUrl: 'http://uac.test/auth/activeUser/token', contested: false };

describe('mails', () => {
  it('have subjects in Chinese that people understand', () => {
    expect(renderer.activeUser(values, 'zh').subject).toBe('请激活您的账号');
    expect(renderer.activeUserSuccess(values, 'zh').subject).toBe('您的账号已激活');
  });

  it.each(['zh', 'en'] as const)('in %s carry name and link in HTML and in plain text', (language) => {
    const mail = renderer.activeUser(values, language);
    for (const text of [mail.html, mail.plain]) {
      expect(text).toContain('alice');
      expect(text).toContain('http://uac.test/auth/activeUser/token');
    }
    expect(mail.html).toContain(`<html lang="${language}">`);
    expect(renderer.activeUserSuccess(values, language).plain).toContain('http://uac.test/login');
  });

  it('let no value become HTML', () => {
    const hostile = {
      loginName: '<img src=x onerror=alert(1)>',
      email: '"><script>x</script>@example.com',
      activeUserUrl: 'http://x/"onclick="y',
      contested: true,
    };
    const { html } = renderer.activeUser(hostile, 'en');
    expect(html).not.toContain('<img');
    expect(html).not.toContain('<script');
    expect(html).not.toContain('"onclick');
    expect(html).toContain('&lt;img');
  });

  it('say the time in Beijing or in UTC, and name it', () => {
    expect(renderer.activeUser(values, 'zh').plain).toContain('北京时间 2026年1月2日 11:04');
    expect(renderer.activeUser(values, 'en').plain).toContain('2 January 2026 at 03:04:05 UTC');
  });

  it.each([
    [1, 'zh', '1分钟'],
    [1, 'en', '1 minute'],
    [60, 'zh', '1小时'],
    [60, 'en', '1 hour'],
    [90, 'en', '90 minutes'],
    [24 * 60, 'zh', '24小时'],
    [24 * 60, 'en', '24 hours'],
    [48 * 60, 'en', '2 days'],
    [36 * 60, 'en', '36 hours'],
  ] as const)('say how long the link works, as it is set: %i minutes in %s', (minutes, language, life) => {
    const { plain } = createMailRenderer({ ...settings, activationLifeMs: minutes * 60_000 }).activeUser(values, language);
    expect(plain).toContain(language === 'zh' ? `发出后${life}内有效` : `works once, for ${life} after`);
  });
});
