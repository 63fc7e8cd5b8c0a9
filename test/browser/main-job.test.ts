import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBrowser } from '../support/browser.ts';
import { freshClone, newcomersEnvironment } from '../support/fresh-clone.ts';
import { Product, until } from '../support/product.ts';

const SCREENSHOTS = 'test-results/browser';

/** A newcomer's day: clone, npm start, register, mail, click, active, second mail, log in. In a real browser. */
describe('from clone to login in a real browser', () => {
  let product: Product;
  let npm: ChildProcess;
  let browser: BrowserContext;
  let page: Page;
  let output = '';
  let clonedAt: number;
  let inbox: Page;
  let link: string;

  const shoot = (name: string) => page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });

  beforeAll(async () => {
    mkdirSync(SCREENSHOTS, { recursive: true });
    clonedAt = performance.now();
    const clone = freshClone();
    product = await Product.make();
    npm = spawn('npm', ['start'], {
      cwd: clone,
      env: { ...newcomersEnvironment(), ...product.ports, DATA_DIR: mkdtempSync(join(tmpdir(), 'tpc-data-')) },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const keep = (chunk: Buffer) => {
      output += chunk;
    };
    npm.stdout?.on('data', keep);
    npm.stderr?.on('data', keep);
    browser = await openBrowser('zh-CN');
    page = browser.pages()[0] ?? (await browser.newPage());
    await until(
      'npm start says that it is up',
      () => output.includes('TPC is up after') || (npm.exitCode !== null ? Promise.reject(new Error(output)) : false),
      240_000,
      200,
    );
  }, 300_000);

  afterAll(async () => {
    await browser?.close();
    if (npm?.pid && npm.exitCode === null && npm.signalCode === null) process.kill(-npm.pid, 'SIGKILL');
  });

  it('registers a person, whose activation mail appears in the inbox page', async () => {
    await page.goto(product.uac);
    await shoot('1-register');
    for (const [field, value] of Object.entries({
      loginName: 'newcomer',
      email: 'newcomer@example.com',
      mobileNo: '13812345678',
      loginPwd: 'Str0ng-pass!',
      confirmPwd: 'Str0ng-pass!',
    })) {
      await page.fill(`[name=${field}]`, value);
    }
    await page.click('[data-testid=register-form] button[type=submit]');
    await page.waitForSelector('[data-testid=register-result]');
    await shoot('2-registered');
    inbox = await browser.newPage();
    await inbox.goto(product.inbox);
    await inbox.click('[data-testid=mail-item]:has-text("注册用户-等待激活用户")');
    console.log(`from clone to the first mail in the inbox page: ${((performance.now() - clonedAt) / 1000).toFixed(1)} s`);
    await inbox.frameLocator('[data-testid=mail-html]').locator('a[href*="/auth/activeUser/"]').first().waitFor();
    await inbox.screenshot({ path: join(SCREENSHOTS, '3-inbox.png') });
  }, 60_000);

  it('activates by the link in the mail, and the second mail comes without a reload', async () => {
    const opened = browser.waitForEvent('page');
    const anchor = inbox.frameLocator('[data-testid=mail-html]').locator('a[href*="/auth/activeUser/"]').first();
    link = (await anchor.getAttribute('href')) as string;
    await anchor.click();
    page = await opened;
    await page.waitForSelector('[data-testid=activation-result]');
    await shoot('4-activated');
    await inbox.waitForSelector('[data-testid=mail-item]:has-text("注册用户-激活用户成功")');
    await inbox.screenshot({ path: join(SCREENSHOTS, '5-second-mail.png') });
  }, 60_000);

  it('logs in, and out again', async () => {
    await page.goto(`${product.uac}/login`);
    await page.fill('[name=loginName]', 'newcomer');
    await page.fill('[name=loginPwd]', 'Str0ng-pass!');
    await shoot('6-login');
    await page.click('[data-testid=login-form] button[type=submit]');
    await page.waitForSelector('[data-testid=me]');
    expect(await page.textContent('[data-testid=me]')).toContain('newcomer');
    await shoot('7-logged-in');
    await page.click('[data-testid=sign-out]');
    await page.waitForSelector('[data-testid=login-form]');
  }, 60_000);

  it('says kindly that a link was used, and refuses a wrong password', async () => {
    await page.goto(link);
    await page.waitForSelector('[data-testid=activation-result][data-outcome=already]');
    await shoot('8-used-link');
    await page.goto(`${product.uac}/login`);
    await page.fill('[name=loginName]', 'newcomer');
    await page.fill('[name=loginPwd]', 'wrong-pass-1');
    await page.click('[data-testid=login-form] button[type=submit]');
    await page.waitForSelector('[data-testid=login-problem]:visible');
    await shoot('9-wrong-password');
  }, 60_000);

  it('stops cleanly on Ctrl-C, as a terminal sends it', async () => {
    const ended = new Promise<number | null>((resolve) => npm.once('exit', (code) => resolve(code)));
    process.kill(-(npm.pid as number), 'SIGINT');
    await ended;
    expect(output).not.toContain('Error');
    await until(
      'the ports are free',
      async () =>
        fetch(product.uac).then(
          () => false,
          () => true,
        ),
      20_000,
    );
  }, 60_000);
});
