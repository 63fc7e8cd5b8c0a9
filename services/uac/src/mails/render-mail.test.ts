import { describe, expect, it } from 'vitest';
import { createMailRenderer } from './render-mail.ts';

const renderer = createMailRenderer({
  publicUrl: () => 'http://uac.test',
  activationLifeMs: 24 * 3_600_000,
  now: () => Date.UTC(2026, 0, 2, 3, 4, 5),
});
const values = { loginName: 'alice', email: 'alice@example.com', activeUserUrl: 'http://uac.test/auth/activeUser/token', contested: false };

describe('mails', () => {
  it("have the original's subjects in Chinese", () => {
    expect(renderer.activeUser(values, 'zh').subject).toBe('注册用户-等待激活用户');
    expect(renderer.activeUserSuccess(values, 'zh').subject).toBe('注册用户-激活用户成功');
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

  it('say the time in Beijing or, named, in UTC', () => {
    expect(renderer.activeUser(values, 'zh').plain).toContain('2026年1月2日 11:04');
    expect(renderer.activeUser(values, 'en').plain).toContain('2 January 2026 at 03:04:05 UTC');
  });
});
