import { createServer } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { createLog } from '../log/log.ts';
import { MAX_SERIES, type Metrics, startMetrics } from './metrics.ts';

const log = createLog({ service: 'test', level: 'silent', format: 'json' });
const opened: Metrics[] = [];
afterEach(async () => {
  for (const metrics of opened.splice(0)) await metrics.stop();
});

async function open(port?: { port: number | undefined }): Promise<Metrics> {
  const metrics = await startMetrics({ service: 'test', host: '127.0.0.1', port: 0, ...port, portSetting: 'TEST_METRICS_PORT', log });
  opened.push(metrics);
  return metrics;
}

const url = ({ port }: Metrics, path = '/metrics') => `http://127.0.0.1:${port}${path}`;
const scrape = async (metrics: Metrics) => (await fetch(url(metrics))).text();

it('serves counters, gauges and histograms with their units in Prometheus’ text format', async () => {
  const metrics = await open();
  metrics.meter.createCounter('tpc.things', { description: 'Things.' }).add(3, { kind: 'good' });
  const advice = { explicitBucketBoundaries: [0.1, 1] };
  metrics.meter.createHistogram('tpc.wait', { unit: 's', advice }).record(0.5);
  metrics.meter.createObservableGauge('tpc.size', { unit: 'By' }).addCallback((result) => result.observe(7));
  const response = await fetch(url(metrics));
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  const lines = (await response.text()).split('\n');
  for (const line of [
    '# HELP tpc_things_total Things.',
    '# TYPE tpc_things_total counter',
    'tpc_things_total{kind="good"} 3',
    'tpc_wait_seconds_count 1',
    'tpc_wait_seconds_bucket{le="0.1"} 0',
    'tpc_wait_seconds_bucket{le="1"} 1',
    'tpc_size_bytes 7',
  ])
    expect(lines).toContain(line);
  expect(lines.some((line) => line.startsWith('target_info{service_name="test"'))).toBe(true);
});

it('shows the process: event loop, heap, CPU and memory', async () => {
  const metrics = await open();
  const text = await scrape(metrics);
  for (const name of [
    'process_cpu_time_seconds_total{mode="user"}',
    'process_memory_usage_bytes',
    'process_uptime_seconds',
    'nodejs_eventloop_utilization',
  ])
    expect(text).toContain(`\n${name}`);
  expect(text).toContain('v8js_memory_heap_used_bytes');
  // The event loop's delay needs some turns to be measured.
  await expect.poll(() => scrape(metrics), { timeout: 10_000 }).toContain('nodejs_eventloop_delay_p99_seconds');
});

it('keeps a number of series, whatever stands in labels', async () => {
  const metrics = await open();
  const counter = metrics.meter.createCounter('tpc.careless');
  for (let id = 0; id < 10 * MAX_SERIES; id++) counter.add(1, { id });
  const series = (await scrape(metrics)).split('\n').filter((line) => line.startsWith('tpc_careless_total'));
  expect(series.length).toBeLessThanOrEqual(MAX_SERIES);
  expect(series.reduce((sum, line) => sum + Number(line.split(' ')[1]), 0)).toBe(10 * MAX_SERIES);
});

it('keeps the services of one process apart', async () => {
  const [one, other] = [await open(), await open()];
  one.meter.createCounter('tpc.mine').add(1);
  expect(await scrape(one)).toContain('tpc_mine_total 1');
  expect(await scrape(other)).not.toContain('tpc_mine');
});

it('shows the rest when one gauge cannot be read', async () => {
  const metrics = await open();
  metrics.meter.createObservableGauge('tpc.broken').addCallback(() => Promise.reject(new Error('away')));
  metrics.meter.createCounter('tpc.whole').add(1);
  expect(await scrape(metrics)).toContain('tpc_whole_total 1');
});

it('shows no gauge that is not observed any more', async () => {
  const metrics = await open();
  const there = new Set(['a', 'b']);
  metrics.meter.createObservableGauge('tpc.there').addCallback((result) => {
    for (const name of there) result.observe(1, { name });
  });
  const names = async () => [...(await scrape(metrics)).matchAll(/^tpc_there\{name="(\w)"\} 1$/gm)].map(([, name]) => name);
  expect(await names()).toEqual(['a', 'b']);
  there.delete('a');
  expect(await names()).toEqual(['b']);
  expect(await names()).toEqual(['b']);
});

it('collects once for all who ask meanwhile', async () => {
  const metrics = await open();
  let looks = 0;
  const slow = Promise.withResolvers<void>();
  metrics.meter.createObservableGauge('tpc.size').addCallback(async (result) => {
    looks++;
    await slow.promise;
    result.observe(looks);
  });
  const asked = Array.from({ length: 20 }, () => scrape(metrics));
  await expect.poll(() => looks).toBe(1);
  slow.resolve();
  expect((await Promise.all(asked)).every((text) => text.includes('tpc_size '))).toBe(true);
  // Some may have arrived when the first collection was over.
  expect(looks).toBeLessThan(asked.length);
});

it('answers nothing but GET /metrics', async () => {
  const metrics = await open();
  expect((await fetch(url(metrics, '/'))).status).toBe(404);
  expect((await fetch(url(metrics), { method: 'POST' })).status).toBe(405);
  expect((await fetch(url(metrics, '/metrics?name=x'))).status).toBe(200);
});

it('without a port listens nowhere and records nothing', async () => {
  const metrics = await open({ port: undefined });
  expect(metrics.port).toBeUndefined();
  expect(metrics.provider).toBeUndefined();
  metrics.meter.createCounter('tpc.nothing').add(1);
});

it('names the setting of a port that is taken', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as { port: number };
  await expect(open({ port })).rejects.toThrow(`TEST_METRICS_PORT: cannot listen on 127.0.0.1:${port}: the port is taken`);
  taken.close();
});
