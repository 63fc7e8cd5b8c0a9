import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Sample, scrape } from '../support/manifests/prometheus.ts';
import { runInShell } from '../support/pages/walkthrough.ts';
import { Product } from '../support/product.ts';
import { ensureGrpcurl, GRPCURL_BUILD_MS } from '../support/programs/grpcurl.ts';
import { until } from '../support/until.ts';

const page = readFileSync(resolve(import.meta.dirname, '../../docs/observability.md'), 'utf8');
/** Each command with the lines that its output must have; `…` stands for anything. */
const steps = [...page.matchAll(/^```sh\n([\s\S]*?)^```\n```text\n([\s\S]*?)^```$/gm)].map(([whole, command = '', output = '']) => ({
  line: page.slice(0, page.indexOf(whole)).split('\n').length + 1,
  command,
  wanted: output.split('\n').filter(Boolean),
}));
const STEP_MS = 30_000;

let folder: string;
let grpcurl: string;
let product: Product;
let samples: Sample[];

beforeAll(async () => {
  grpcurl = await ensureGrpcurl();
  folder = mkdtempSync(join(tmpdir(), 'docs-observability-'));
  product = await Product.make();
  await product.start();
  expect(await product.register('complainer', '13612345678')).toBe(200);
  await until('the message is finished', async () => (await product.messages({ states: [30] })).length === 1);
  const { TPC_METRICS_PORT, UAC_METRICS_PORT, OPC_METRICS_PORT } = product.ports;
  samples = (await Promise.all([TPC_METRICS_PORT, UAC_METRICS_PORT, OPC_METRICS_PORT].map(scrape))).flat();
}, GRPCURL_BUILD_MS + 60_000);

afterAll(async () => {
  await product?.end('SIGTERM');
  for (const path of [folder, product?.dataDir]) if (path) rmSync(path, { recursive: true, force: true });
});

/** The page's addresses are those of npm start. */
function here(command: string): string {
  const ports = {
    50051: 'TPC_GRPC_PORT',
    50053: 'OPC_GRPC_PORT',
    9464: 'TPC_METRICS_PORT',
    9465: 'UAC_METRICS_PORT',
    9466: 'OPC_METRICS_PORT',
  } as const;
  return Object.entries(ports).reduce((text, [onPage, name]) => text.replaceAll(`127.0.0.1:${onPage}`, `127.0.0.1:${product.ports[name]}`), command);
}

const literally = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
const pattern = (line: string) => new RegExp(line.split('…').map(literally).join('.*'));

describe('docs/observability.md', () => {
  it('shows every command with what it answers', () => {
    expect(steps).toHaveLength([...page.matchAll(/^```sh$/gm)].length);
    expect(steps.length).toBeGreaterThan(8);
  });

  it.each(steps)(
    'line $line answers what the page says',
    async ({ command, wanted }) => {
      const env = { ...process.env, PATH: `${grpcurl}${delimiter}${process.env.PATH}` };
      const { output, exitCode } = await runInShell(here(command), { env, cwd: folder, timeoutMs: STEP_MS });
      expect([exitCode, output]).toEqual([0, expect.any(String)]);
      for (const line of wanted) expect(output).toMatch(pattern(line));
      if (wanted.length === 0) expect(output).toBe('');
    },
    STEP_MS,
  );

  it('names metrics that exist', () => {
    const named = new Set([...page.matchAll(/`((?:tpc|rpc|http|db|nodejs|process)_\w+)[`{]/g)].map(([, name]) => name as string));
    const rare = ['tpc_claims_total', 'tpc_redeliveries_total', 'tpc_producer_verdicts_total', 'tpc_producer_dead_total'];
    const shown = new Set(
      samples
        .map(({ name }) => name.replace(/_(bucket|count|sum)$/, ''))
        .concat(
          samples.map(({ name }) => name),
          rare,
        ),
    );
    expect([...named].filter((name) => !shown.has(name))).toEqual([]);
    expect(named.size).toBeGreaterThan(40);
  });

  it('names every metric of the product', () => {
    const own = new Set(samples.map(({ name }) => name.replace(/_(bucket|count|sum)$/, '')).filter((name) => name.startsWith('tpc_')));
    expect([...own].filter((name) => !page.includes(`\`${name}\``) && !page.includes(`\`${name}_count\``))).toEqual([]);
  });
});
