import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openBrowser } from '../programs/browser.ts';

/** Where the pages of the product under test are. */
export type Pages = { uac: string; inbox: string };

export type MainJobOptions = {
  /** Folder of the pictures, below test-results/browser. */
  pictures: string;
  /** Asked once the product is up. */
  pages: () => Pages;
  /** Told when the first mail is in the inbox page. */
  onFirstMail?: () => void;
};

/** The whole job in a real browser, as tests: register, mail, link, button, active, second mail, log in and out. */
export function exerciseMainJob({ pictures, pages, onFirstMail }: MainJobOptions): void {
  const folder = join('test-results', 'browser', pictures);
  let browser: BrowserContext;
  let page: Page;
  let inbox: Page;
  const shoot = (name: string, of = page) => of.screenshot({ path: join(folder, `${name}.png`), fullPage: of === page });
  const mailLink = () => inbox.frameLocator('[data-testid=mail-html]').locator('a[href*="/auth/activeUser/"]').first();
  const fill = async (fields: Record<string, string>) => {
    for (const [field, value] of Object.entries(fields)) await page.fill(`[name=${field}]`, value);
  };

  beforeAll(async () => {
    mkdirSync(folder, { recursive: true });
    browser = await openBrowser('zh-CN');
    page = browser.pages()[0] ?? (await browser.newPage());
  }, 240_000);
  afterAll(() => browser?.close());

  it('registers a person, whose activation mail appears in the inbox page', async () => {
    await page.goto(pages().uac);
    await shoot('1-register');
    await fill({
      loginName: 'newcomer',
      email: 'newcomer@example.com',
      mobileNo: '13812345678',
      loginPwd: 'Str0ng-pass!',
      confirmPwd: 'Str0ng-pass!',
    });
    await page.click('[data-testid=register-form] button[type=submit]');
    await page.waitForSelector('[data-testid=register-result]');
    await shoot('2-registered');
    inbox = await browser.newPage();
    await inbox.goto(pages().inbox);
    await inbox.click('[data-testid=mail-item]:has-text("请激活您的账号")');
    onFirstMail?.();
    await mailLink().waitFor();
    await shoot('3-inbox', inbox);
  }, 60_000);

  it('activates by the button behind the link in the mail, and the second mail comes without a reload', async () => {
    const opened = browser.waitForEvent('page');
    await mailLink().click();
    page = await opened;
    await page.waitForSelector('[data-testid=activation-confirm]');
    await shoot('4-activate');
    await page.click('[data-testid=activate]');
    await page.waitForSelector('[data-testid=activation-result][data-outcome=activated]');
    await shoot('4-activated');
    await inbox.waitForSelector('[data-testid=mail-item]:has-text("您的账号已激活")');
    await shoot('5-second-mail', inbox);
  }, 60_000);

  it('logs in, and out again', async () => {
    await page.goto(`${pages().uac}/login`);
    await fill({ loginName: 'newcomer', loginPwd: 'Str0ng-pass!' });
    await shoot('6-login');
    await page.click('[data-testid=login-form] button[type=submit]');
    await page.waitForSelector('[data-testid=me]');
    expect(await page.textContent('[data-testid=me]')).toContain('newcomer');
    await shoot('7-logged-in');
    await page.click('[data-testid=sign-out]');
    await page.waitForSelector('[data-testid=login-form]');
  }, 60_000);

  it('refuses a wrong password with a friendly page', async () => {
    await fill({ loginName: 'newcomer', loginPwd: 'wrong-pass-1' });
    await page.click('[data-testid=login-form] button[type=submit]');
    await page.waitForSelector('[data-testid=login-problem]:visible');
    await shoot('8-wrong-password');
  }, 60_000);
}
