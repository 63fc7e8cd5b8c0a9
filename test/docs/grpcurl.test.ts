import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { hashToken } from '@tpc/platform';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Callers, callersOf, sqliteDatabase, startTestTpc, type TestDatabase, type TestTpc } from '../../services/tpc/test/support.ts';
import { createTestCa } from '../support/network/certificates.ts';
import { asShown, normalised, type Ran, runInShell, stepsOf } from '../support/pages/walkthrough.ts';
import { Product } from '../support/product.ts';
import { ensureGrpcurl, GRPCURL_BUILD_MS, GRPCURL_VERSION } from '../support/programs/grpcurl.ts';
import { until } from '../support/until.ts';

const page = readFileSync(resolve(import.meta.dirname, '../../docs/grpcurl.md'), 'utf8');
const steps = stepsOf(page);

/** Of the page's own waits; a step may hold a long poll of 30 s. */
const STEP_MS = 45_000;
const TOKEN = 'tpc_a-token-for-a-viewer-of-the-docs';

let folder: string;
let grpcurl: string;
let product: Product;
let callers: Callers;
let guarded: TestTpc;
let database: TestDatabase;

beforeAll(async () => {
  grpcurl = await ensureGrpcurl();
  folder = mkdtempSync(join(tmpdir(), 'docs-grpcurl-'));
  product = await Product.make({ TPC_CHECK_FIRST_MS: '500' });
  await product.start();
  callers = callersOf(Number(product.ports.TPC_GRPC_PORT));
  database = await sqliteDatabase();
  guarded = await startGuarded();
}, GRPCURL_BUILD_MS + 60_000);

afterAll(async () => {
  callers?.client.close();
  await guarded?.stop();
  await database?.drop();
  await product?.end('SIGTERM');
  for (const path of [folder, product?.dataDir]) if (path) rmSync(path, { recursive: true, force: true });
});

/** A TPC with TLS and one token, of a viewer. */
async function startGuarded(): Promise<TestTpc> {
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const ca = createTestCa('docs');
  const { cert, key } = ca.issue({ commonName: 'tpc', dns: ['localhost'] });
  file('ca.pem', ca.cert);
  const entries = [{ kind: 'operator', name: 'ada', role: 'viewer', sha256: hashToken(TOKEN).toString('hex') }];
  return startTestTpc({
    TPC_DATABASE_URL: database.url,
    TPC_TOKENS_FILE: file('tokens.json', JSON.stringify({ entries })),
    TLS_CERT_FILE: file('tls.crt', cert),
    TLS_KEY_FILE: file('tls.key', key),
  });
}

/** The page's ports and those of this run. */
function ports(variant: string): [onPage: string, here: string][] {
  if (variant === 'tls') return [['localhost:50051', `localhost:${guarded.service.grpcPort}`]];
  const { TPC_GRPC_PORT, UAC_GRPC_PORT, OPC_GRPC_PORT } = product.ports;
  return [
    ['127.0.0.1:50051', `127.0.0.1:${TPC_GRPC_PORT}`],
    ['127.0.0.1:50052', `127.0.0.1:${UAC_GRPC_PORT}`],
    ['127.0.0.1:50053', `127.0.0.1:${OPC_GRPC_PORT}`],
  ];
}

async function run(command: string, variant: string): Promise<Ran> {
  const here = ports(variant).reduce((text, [onPage, actual]) => text.replaceAll(onPage, actual), command);
  const env = { ...process.env, PATH: `${grpcurl}${delimiter}${process.env.PATH}`, TPC_TOKEN: TOKEN };
  const { output, exitCode } = await runInShell(here, { env, cwd: folder, timeoutMs: STEP_MS });
  return { output: ports(variant).reduce((text, [onPage, actual]) => text.replaceAll(actual, onPage), output), exitCode };
}

/** A reader is slower than TPC's broker: waits until all that is on its way is published, and noted as published. */
async function settled(): Promise<void> {
  await until('everything is published', async () => {
    const { messages } = await callers.admin.listMessages({ states: [20] });
    const published = await Promise.all(messages.map(({ messageKey }) => isPublished(messageKey)));
    return published.every(Boolean);
  });
}

async function isPublished(messageKey: string): Promise<boolean> {
  const { message, timeline } = await callers.admin.getMessage({ messageKey });
  const count = (kind: string) => timeline.filter((event) => event.kind === kind).length;
  return (message?.publishCount ?? 0) > count('RESENT') && count('REDELIVERED') === count('RESENT');
}

describe('docs/grpcurl.md', () => {
  it.each(
    steps.map((step) => ({
      ...step,
      name: step.command
        .trim()
        .split(/[\s/]+/)
        .at(-1),
    })),
  )(
    'shows what line $line answers: $name',
    async ({ command, output, variant }) => {
      const ran = await run(command, variant);
      expect(normalised(asShown(ran.output))).toBe(normalised(output));
      const refused = /^(ERROR:|Error |\{\n {2}"code")/.test(output);
      expect(ran.exitCode === 0, `exit code ${ran.exitCode}`).toBe(!refused);
      await settled();
    },
    STEP_MS,
  );

  it('names the version of grpcurl that it was tried with', () => {
    expect(page).toContain(`grpcurl/cmd/grpcurl@${GRPCURL_VERSION}`);
  });
});
