/** A run of the bench: everything that is compared is measured in it, in turns, on the same machine at the same time. */
import { cpus, loadavg, totalmem } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { StartError } from '@tpc/platform';
import type { Progress } from '../tools/stack/progress.ts';
import { HOST } from '../tools/stack/settings.ts';
import type { Stack } from '../tools/stack/stack.ts';
import { makeDatabases, serverVersion } from './databases.ts';
import { type Limits, measureLimits } from './limits.ts';
import { type Measurement, measure } from './measure.ts';
import type { BenchOptions } from './options.ts';
import { startDtm, startRocketMq } from './peers.ts';
import { MODES } from './settings.ts';
import { type Starting, type System, startTpc, stopPrograms } from './systems.ts';
import { startSpanSink, tracingEnv, VARIANTS } from './tracing.ts';
import { cpuSeconds } from './usage.ts';

export type BenchResult = {
  at: string;
  commit: string;
  machine: { processor: string; processors: number; memoryGiB: number; node: string; database: string; loadBefore: number };
  options: Omit<BenchOptions, 'json' | 'profile' | 'verbose'>;
  systems: { name: string; title: string }[];
  limits: Limits | undefined;
  measurements: Measurement[];
};

/**
 * Loads before the first measured one, again and again until a message costs no less processor time than before: a JVM and V8 that have just been
 * started compile for a minute and more, at the expense of whoever is measured first, while a service runs for days. Few callers as well as many: where
 * batches are large, what is done once for a batch runs too seldom to be compiled.
 */
const WARM_UP = [8, 96].map((callers) => ({ callers, seconds: 5 }));
const MIN_WARM_UPS = 5;
const MAX_WARM_UPS = 12;
/** After the first ones, two loads in a row that do not gain this much on the best one end the warm-up. */
const WARM_UP_GAIN = 0.03;
const LIMIT_SECONDS = 4;
/** How long the broker is looked at while it has nothing to do, milliseconds, and what share of a processor it may take then. */
const IDLE_LOOK_MS = 1_500;
const BUSY_SHARE = 0.6;

/** @param commit of the code that runs @throws StartError with a line that names what is wrong */
export async function runBench(options: BenchOptions, stack: Stack, commit: string, progress: Progress): Promise<BenchResult> {
  const serverUrl = stack.addresses.TPC_DATABASE_URL as string;
  const machine = { ...describeMachine(), database: await serverVersion(serverUrl) };
  const starting: Starting = {
    env: {},
    databases: await makeDatabases(serverUrl),
    broker: stack.addresses.BROKER_ENDPOINTS as string,
    shared: {},
    profileFolder: options.profile,
    print: options.verbose ? progress.say : problems(progress.say),
    started: [],
  };
  try {
    await quietBroker(stack, progress);
    starting.shared = { mariadb: pidOf(stack, 'mariadb'), broker: pidOf(stack, 'broker') };
    const limits = options.only === undefined && !options.tracing ? await measureLimits(starting, LIMIT_SECONDS, progress) : undefined;
    const { systems, measurements } = options.tracing
      ? await measureTracing(options, serverUrl, starting, progress)
      : await measureBlocks(options, stack, starting, progress);
    const { json: _json, profile: _profile, verbose: _verbose, ...shown } = options;
    return { at: new Date().toISOString(), commit, machine, options: shown, systems, limits, measurements };
  } finally {
    await stopPrograms(starting.started);
    await quietBroker(stack, progress);
  }
}

/** The one way to give back the core that transactional messages have taken (peers.ts), in this run or in one before that was ended early. */
async function quietBroker(stack: Stack, progress: Progress): Promise<void> {
  const pid = pidOf(stack, 'broker');
  const before = cpuSeconds(pid);
  await sleep(IDLE_LOOK_MS);
  const share = ((cpuSeconds(pid) - before) * 1000) / IDLE_LOOK_MS;
  if (share < BUSY_SHARE) return;
  await progress.step(`the idle broker takes ${Math.round(share * 100)} % of a processor: starting it anew`, async () => {
    await stack.part('broker').stop();
    await stack.part('broker').start();
  });
}

/** Programs are started anew for each variant and round, with empty databases: tracing is chosen at a program's start. */
async function measureTracing(options: BenchOptions, serverUrl: string, starting: Starting, progress: Progress) {
  let bytes = 0;
  const sink = await startSpanSink((request) => {
    bytes += request.length;
  });
  const systems = VARIANTS.map(({ suffix, title }) => ({ name: `tpc-batch${suffix}`, title }));
  const measurements: Measurement[] = [];
  try {
    for (let round = 1; round <= options.rounds; round++) {
      for (const [index, variant] of VARIANTS.entries()) {
        const fresh = { ...starting, env: tracingEnv(variant, sink.endpoint), databases: await makeDatabases(serverUrl) };
        const all = await progress.step(`starting programs: ${variant.title}`, () => startTpc(fresh));
        const mine = all.filter(({ name }) => name === 'tpc-batch').map((system) => ({ ...system, ...systems[index] }));
        for (const one of await measureInTurns({ ...options, rounds: 1 }, mine, progress)) measurements.push({ ...one, round });
        await stopPrograms(starting.started.splice(0));
        progress.say(`spans so far: ${(bytes / 1e6).toFixed(1)} MB`);
      }
    }
  } finally {
    await sink.stop();
  }
  return { systems, measurements };
}

type Block = { names: readonly string[]; start: (starting: Starting) => Promise<System[]> };

/** What is measured in turns runs at the same time; RocketMQ's messages come after all others, see startRocketMq. */
async function measureBlocks(options: BenchOptions, stack: Stack, starting: Starting, progress: Progress) {
  const blocks: Block[] = [
    { names: ['tpc-batch', 'tpc-single', 'dtm'], start: () => startFirst(options, starting, progress) },
    { names: ['rocketmq'], start: async () => [await startRocketMq(starting, { host: HOST, port: stack.settings.STACK_STORE_PORT })] },
  ];
  const systems: { name: string; title: string }[] = [];
  const measurements: Measurement[] = [];
  for (const { start } of blocks.filter(({ names }) => names.some((name) => wanted(options, name)))) {
    const started = await progress.step('starting programs', () => start(starting));
    systems.push(...started.map(({ name, title }) => ({ name, title })));
    measurements.push(...(await measureInTurns(options, started, progress)));
    await stopPrograms(starting.started.splice(0));
  }
  if (systems.length === 0) throw new StartError(`--only: there is no system ${options.only}`);
  return { systems, measurements };
}

function wanted({ only, peers }: BenchOptions, name: string): boolean {
  return only === undefined ? peers || name.startsWith('tpc-') : only === name;
}

async function startFirst(options: BenchOptions, starting: Starting, progress: Progress): Promise<System[]> {
  const ours = MODES.some((mode) => wanted(options, `tpc-${mode}`)) ? await startTpc(starting) : [];
  const dtm = wanted(options, 'dtm') ? [await startDtm(starting, progress)] : [];
  return [...ours, ...dtm].filter(({ name }) => wanted(options, name));
}

/** In turns, so that whatever else the machine does falls on all of them. */
async function measureInTurns(options: BenchOptions, systems: readonly System[], progress: Progress): Promise<Measurement[]> {
  const measurements: Measurement[] = [];
  for (const system of systems) await progress.step(`warming up ${system.name}`, () => warmUp(system));
  const take = async (system: System, load: Parameters<typeof measure>[1], round: number) => {
    const one = await measure(system, load, round);
    measurements.push(one);
    progress.say(describe(one, options.rounds));
  };
  for (let round = 1; round <= options.rounds; round++) {
    for (const callers of options.callers) for (const system of systems) await take(system, { callers, seconds: options.seconds }, round);
    for (const perSecond of options.steady)
      for (const system of systems) await take(system, { callers: 1, seconds: options.seconds, perSecond }, round);
  }
  return measurements;
}

async function warmUp(system: System): Promise<void> {
  let best = Number.POSITIVE_INFINITY;
  for (let loads = 0, inVain = 0; loads < MIN_WARM_UPS || (loads < MAX_WARM_UPS && inVain < 2); loads++) {
    let cost = 0;
    for (const load of WARM_UP) cost += costOf(await measure(system, load, 0));
    inVain = cost < best * (1 - WARM_UP_GAIN) ? 0 : inVain + 1;
    best = Math.min(best, cost);
  }
}

/** @returns processor seconds for 1,000 messages, of all processes */
function costOf({ cpuPerThousand }: Measurement): number {
  return Object.values(cpuPerThousand).reduce((sum, seconds) => sum + seconds, 0);
}

function describe(one: Measurement, rounds: number): string {
  const load = one.perSecond === undefined ? `${one.callers} callers` : `steady ${one.perSecond}/s`;
  const consumed = one.latency.consumed;
  const trouble = one.missing + one.failed === 0 ? '' : `; ${one.missing} missing, failed ${one.failed} ${one.firstError}`;
  const late = one.unprepared === 0 ? '' : `; ${one.unprepared} without TPC's answer`;
  const latency = `commit → consumed p50 ${consumed?.p50.toFixed(1)} ms, p99 ${consumed?.p99.toFixed(1)} ms`;
  return `round ${one.round}/${rounds}  ${load.padEnd(13)} ${one.system.padEnd(11)} ${one.messagesPerSecond.toFixed(0).padStart(6)} msg/s  ${latency}${trouble}${late}`;
}

function describeMachine() {
  const [first] = cpus();
  return {
    processor: first?.model.trim() ?? 'unknown',
    processors: cpus().length,
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    node: process.versions.node,
    loadBefore: loadavg()[0] ?? 0,
  };
}

function pidOf(stack: Stack, part: 'mariadb' | 'broker'): number {
  const { record } = stack.part(part);
  if (record === undefined) throw new StartError(`${part} does not run`);
  return record.pid;
}

/** Programs say much at level info; what is passed on is what went wrong. */
function problems(say: (line: string) => void): (line: string) => void {
  return (line) => {
    if (!/"level":(20|30),/.test(line)) say(line);
  };
}
