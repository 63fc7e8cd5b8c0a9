/** npm run start:real: TPC, UAC and OPC as three processes on the real stack (npm run stack). */

import { describeConfig, formatSetting, levelSetting, loadConfig, portSetting, type Running, runMain, StartError, stopAll } from '@tpc/platform';
import { z } from 'zod';
import { createProgress } from '../tools/stack/progress.ts';
import { HOST, stackSchema } from '../tools/stack/settings.ts';
import { Stack } from '../tools/stack/stack.ts';
import { untilAnswers } from '../tools/stack/wait.ts';
import { assertServing } from './lib/health.ts';
import { parseArguments } from './lib/parse-arguments.ts';
import { type ProgramRun, runProgram } from './lib/run-program.ts';

const realSchema = z.object({
  UAC_HTTP_PORT: portSetting(3000).describe('Registration, activation and login pages.'),
  TPC_GRPC_PORT: portSetting(50051).describe('TPC.'),
  UAC_GRPC_PORT: portSetting(50052).describe('UAC.'),
  OPC_GRPC_PORT: portSetting(50053).describe('OPC.'),
  TPC_METRICS_PORT: portSetting(9464).describe("TPC's metrics for Prometheus, at /metrics."),
  UAC_METRICS_PORT: portSetting(9465).describe("UAC's metrics."),
  OPC_METRICS_PORT: portSetting(9466).describe("OPC's metrics."),
  LOG_LEVEL: levelSetting(),
  LOG_FORMAT: formatSetting('text'),
});
type RealConfig = z.output<typeof realSchema>;

/** How long a service may take until it is ready, milliseconds. */
const READY_WITHIN_MS = 60_000;

const HELP = `npm run start:real: TPC, UAC and OPC as three processes on real MariaDB, Redis and RocketMQ. Starts the stack where it does not run; Ctrl-C
stops the services and leaves the stack: npm run stack -- down stops that.

Settings, by environment variable:
${[...describeConfig(realSchema), ...describeConfig(stackSchema)]
  .map(({ key, defaultValue, description }) => `  ${key.padEnd(24)} ${defaultValue.padEnd(18)} ${description}`)
  .join('\n')}

Each service's own settings (docs/configuration.md) may be set as well.`;

if (asksForHelp()) console.log(HELP);
else await runMain('tpc', async () => startReal(loadConfig(realSchema, process.env)));

function asksForHelp(): boolean {
  try {
    return parseArguments({ options: { help: { type: 'boolean', short: 'h' } } }).values.help === true;
  } catch (error) {
    process.stderr.write(`tpc: ${(error as Error).message}\n`);
    process.exit(1);
  }
}

async function startReal(config: RealConfig): Promise<Running> {
  const began = performance.now();
  const stack = new Stack(loadConfig(stackSchema, process.env));
  await stack.up(createProgress((line) => console.log(`stack | ${line}`)));
  const programs: ProgramRun[] = [];
  const stop = () => stopAll([...programs].reverse());
  // A signal before everything is up ends the services as well: runMain waits for the start, and then stops it.
  try {
    await startServices(config, stack, programs);
  } catch (error) {
    await stop();
    throw error;
  }
  sayAddresses(config, stack, (performance.now() - began) / 1000);
  let stopping = false;
  for (const { ended } of programs) ended.catch((error: Error) => (stopping ? undefined : endWith(error, stop)));
  return {
    stop: () => {
      stopping = true;
      return stop();
    },
  };
}

/** Up is said when the consumer has registered as well: before that, the first producer's messages would have no subscriber. */
async function startServices(config: RealConfig, stack: Stack, programs: ProgramRun[]): Promise<void> {
  const tpc = `${HOST}:${config.TPC_GRPC_PORT}`;
  const settings = Object.fromEntries(Object.entries(config).map(([name, value]) => [name, String(value)]));
  const env = { ...stack.addresses, TPC_ADDRESS: tpc, ...settings };
  const start = async (name: string, ready: () => Promise<void>) => {
    const program = runProgram(name, `services/${name}/src/main.ts`, env, console.log);
    programs.push(program);
    await Promise.race([untilAnswers(ready, READY_WITHIN_MS), program.ended]).catch((cause: Error) => {
      throw new StartError(`${name} did not start: ${cause.message}`, { cause });
    });
  };
  await start('tpc', async () => {
    await assertServing(tpc);
    await assertServing(tpc, 'broker');
  });
  const opc = start('opc', async () => {
    for (const part of ['', 'broker', 'tpc']) await assertServing(`${HOST}:${config.OPC_GRPC_PORT}`, part);
  });
  const uac = start('uac', () => assertServing(`${HOST}:${config.UAC_GRPC_PORT}`));
  await Promise.all([opc, uac]);
}

/** One service that ends by itself ends all: half a product would look like a whole one. */
async function endWith(error: Error, stop: () => Promise<void>): Promise<void> {
  process.stderr.write(`tpc: ${error.message}; stopping the others\n`);
  await stop();
  process.exit(1);
}

function sayAddresses(config: RealConfig, stack: Stack, seconds: number): void {
  const pages = `http://${HOST}:${config.UAC_HTTP_PORT}`;
  const { INBOX_URL: inbox, BROKER_ENDPOINTS: broker, KEY_VALUE_URL: redis } = stack.addresses;
  console.log(`
TPC is up after ${seconds.toFixed(1)} s, on MariaDB, Redis and RocketMQ.

  Register a user    ${pages}/
  Log in             ${pages}/login
  Inbox              ${inbox}/
  TPC  (gRPC)        ${HOST}:${config.TPC_GRPC_PORT}    grpcurl -plaintext ${HOST}:${config.TPC_GRPC_PORT} list
  UAC  (gRPC)        ${HOST}:${config.UAC_GRPC_PORT}
  OPC  (gRPC)        ${HOST}:${config.OPC_GRPC_PORT}
${stack.addresses.JAEGER_URL ? `  Traces             ${stack.addresses.JAEGER_URL}/api/traces?service=tpc&tags={"messageKey":"…"}\n` : ''}  MariaDB            ${HOST}:${stack.settings.STACK_MYSQL_PORT}
  Metrics            ${[config.TPC_METRICS_PORT, config.UAC_METRICS_PORT, config.OPC_METRICS_PORT].map((port) => `http://${HOST}:${port}/metrics`).join(', ')}
  Redis, RocketMQ    ${redis?.replace('redis://', '')}, ${broker}

Ctrl-C stops the three services; npm run stack -- down stops the stack.`);
}
