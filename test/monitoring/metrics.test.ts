import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Verdict } from '@tpc/gen/tpc/v1/reliable_message_service';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type Callers, callersOf, outgoing } from '../../services/tpc/test/support.ts';
import { type Sample, sampleOf, scrape, seriesOf } from '../support/manifests/prometheus.ts';
import { readPromql } from '../support/manifests/promql.ts';
import { Product } from '../support/product.ts';
import { until } from '../support/until.ts';

const P = 'PID_MONITORED';
const folder = resolve(import.meta.dirname, '../../k8s/monitoring');
const read = (file: string) => readFileSync(resolve(folder, file), 'utf8');

let product: Product;
let tpc: Callers;
beforeAll(async () => {
  product = await Product.make({ TPC_CHECK_FIRST_MS: '200', LOG_LEVEL: 'silent' });
  await product.start();
  tpc = callersOf(Number(product.ports.TPC_GRPC_PORT));
});
afterAll(async () => {
  tpc?.client.close();
  await product?.end('SIGTERM');
});

const scrapeAll = async (): Promise<Sample[]> => {
  const { TPC_METRICS_PORT, UAC_METRICS_PORT, OPC_METRICS_PORT } = product.ports;
  return (await Promise.all([TPC_METRICS_PORT, UAC_METRICS_PORT, OPC_METRICS_PORT].map(scrape))).flat();
};

let people = 0;

/** Registers people, and waits until each has the mail. */
async function register(prefix: string, count: number): Promise<void> {
  const before = (await product.mails()).length;
  for (let n = 0; n < count; n++) expect(await product.register(`${prefix}${n}`, `1394${String(++people).padStart(7, '0')}`)).toBe(200);
  await until('the mails', async () => (await product.mails()).length >= before + count);
  await until('the reports', async () => (await product.messages({ states: [20] })).length === 0);
}

/** Whatever leaves a trace in a metric that a good day does not. */
async function makeTrouble(): Promise<void> {
  const message = (messageKey: string, more = {}) => ({ producerGroup: P, storeId: 's', message: outgoing({ messageKey, ...more }) });
  await tpc.messages.saveAndSendMessage({ ...message(`${P}:nobody`, { topic: 'NOBODY' }), committed: true });
  await tpc.messages.saveMessageWaitingConfirm(message(`${P}:asked`));
  const asked = await tpc.messages.fetchUncertainMessages({ producerGroup: P, storeId: 's', instanceId: 'i', wait: { seconds: 10n, nanos: 0 } });
  expect(asked.messages).toHaveLength(1);
  const outcomes = [{ messageKey: `${P}:asked`, verdict: Verdict.VERDICT_ROLLED_BACK }];
  await tpc.messages.reportOutcomes({ producerGroup: P, storeId: 's', outcomes });
  await tpc.messages.deleteMessageByMessageKey({ producerGroup: P, messageKey: `${P}:unknown` }).catch(() => undefined);
  const [sent] = await product.messages({ topic: 'SEND_EMAIL_TOPIC', states: [30] });
  const { messageKey } = sent as { messageKey: string };
  await tpc.admin.resendMessage({ messageKey, consumerGroups: ['CID_OPC'] });
  await until('the redelivery', async () => sampleOf(await scrapeAll(), 'tpc_redeliveries_total', { consumer_group: 'CID_OPC' }));
}

type Expression = { where: string; text: string };

function expressions(): Expression[] {
  const rules = parse(read('rules.yaml')) as { groups: { rules: { alert: string; expr: string }[] }[] };
  const dashboard = JSON.parse(read('dashboard.json')) as { panels: { title: string; targets?: { expr: string }[] }[] };
  return [
    ...rules.groups.flatMap((group) => group.rules.map(({ alert, expr }) => ({ where: `alert ${alert}`, text: expr }))),
    ...dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ where: `panel ${title}`, text: expr }))),
  ].map(({ where, text }) => ({ where, text: text.replaceAll('$__rate_interval', '5m') }));
}

/** What Prometheus adds to what it scrapes. */
const OF_PROMETHEUS = ['job', 'instance', 'le'];

describe('the metrics of npm start', () => {
  it('have a number of series that more people and messages do not raise, and nothing of them in a label', async () => {
    await register('few', 3);
    const before = seriesOf(await scrapeAll());
    await register('many', 30);
    const after = await scrapeAll();
    // What comes with time, not with messages.
    const ofRuntime = /^(v8js|nodejs|process)_/;
    expect([...seriesOf(after)].filter((series) => !before.has(series) && !ofRuntime.test(series))).toEqual([]);
    expect(after.length).toBeLessThan(3_000);
    const labels = after.flatMap((one) => Object.values(one.labels)).join('\n');
    const keys = (await product.messages()).map((message) => message.messageKey);
    expect(keys.length).toBeGreaterThanOrEqual(33);
    for (const secret of [...keys, 'many1', 'few1', 'example.com', '1394', 'Str0ng-pass!']) expect(labels).not.toContain(secret);
  });

  it('are those that the alerts and the dashboard ask for, with the labels that they choose by', async () => {
    await register('one', 1);
    await makeTrouble();
    const samples = await until('the event loop has been measured', async () => {
      const found = await scrapeAll();
      return found.some(({ name }) => name === 'nodejs_eventloop_delay_p99_seconds') && found;
    });
    const labelsOf = (metric: string) =>
      new Set([...OF_PROMETHEUS, ...samples.filter(({ name }) => name === metric).flatMap(({ labels }) => Object.keys(labels))]);
    const all = expressions();
    expect(all.length).toBeGreaterThan(30);
    const wrong = all.flatMap(({ where, text }) => {
      const { metrics, groupedBy } = readPromql(text);
      const missing = metrics.filter(({ name }) => !samples.some((sample) => sample.name === name)).map(({ name }) => `${where}: no metric ${name}`);
      const strange = metrics.flatMap(({ name, labels }) =>
        labels.filter((label) => !labelsOf(name).has(label)).map((label) => `${where}: ${name} has no label ${label}`),
      );
      const grouping = groupedBy.filter((label) => !metrics.some(({ name }) => labelsOf(name).has(label)));
      return [...missing, ...strange, ...grouping.map((label) => `${where}: nothing has the label ${label}`)];
    });
    expect(wrong).toEqual([]);
  });
});
