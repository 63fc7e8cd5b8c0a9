import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { ensurePromtool } from '../support/manifests/promtool.ts';

const folder = resolve(import.meta.dirname, '../../k8s/monitoring');
const promtool = (...args: string[]) => execFileSync(ensurePromtool(), args, { cwd: folder, encoding: 'utf8' });

it('Prometheus takes the alert rules', () => {
  expect(promtool('check', 'rules', 'rules.yaml')).toContain('SUCCESS');
}, 120_000);

it('the alerts fire when they should, and are quiet while all is well', () => {
  expect(promtool('test', 'rules', 'rules.test.yaml')).toContain('SUCCESS');
}, 120_000);

it('every alert stands in docs/observability.md, under the heading that it names', () => {
  const page = readFileSync(resolve(folder, '../../docs/observability.md'), 'utf8');
  const anchors = [...readFileSync(resolve(folder, 'rules.yaml'), 'utf8').matchAll(/alert: (\w+)[\s\S]*?runbook: docs\/observability\.md#(\w+)/g)];
  expect(anchors.length).toBeGreaterThan(5);
  for (const [, alert = '', anchor] of anchors) {
    expect(anchor).toBe(alert.toLowerCase());
    expect(page).toMatch(new RegExp(`^#+ ${alert}$`, 'm'));
  }
});
