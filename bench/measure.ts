import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Child } from './child.ts';
import type { ArrivalTable } from './programs/arrivals.ts';
import type { Load, SentTable } from './programs/callers.ts';
import type { StatementCounts } from './programs/count-statements.ts';
import { type Quantiles, quantiles } from './quantiles.ts';
import type { System } from './systems.ts';
import { cpuSeconds } from './usage.ts';

/** After this long without a newly consumed message the rest counts as missing, milliseconds. A peer may still bring it later. */
const MISSING_AFTER_MS = 15_000;

export type Measurement = {
  system: string;
  callers: number;
  /** Set for a steady rate. */
  perSecond?: number | undefined;
  round: number;
  messages: number;
  /** Committed by the producer and not consumed. */
  missing: number;
  failed: number;
  /** Committed without TPC's answer to prepare: it took longer than the library's budget. The sweeper sends these some seconds later. */
  unprepared: number;
  firstError: string;
  /** All messages over the time from the first transaction's begin to the last consumer's COMMIT. */
  messagesPerSecond: number;
  /** Milliseconds. `transaction`: begin to COMMIT, with prepare; the others since the producer's COMMIT. `total`: begin to the consumer's COMMIT. */
  latency: Record<string, Quantiles>;
  /** Processor seconds for 1,000 messages, by process. */
  cpuPerThousand: Record<string, number>;
  /** Commits that wrote, for each message, by program. */
  commitsPerMessage: Record<string, number>;
  roundTripsPerMessage: Record<string, number>;
  /** Messages in one statement of a kind. */
  batchSizes: Record<string, number>;
  /** Of the machine, a minute's average at the end. */
  load: number;
};

type Sending = SentTable & { unprepared?: number };

/** Statements that are run once for a batch of messages. */
const BATCHES: readonly { name: string; program: string; head: string }[] = [
  { name: 'prepare', program: 'tpc', head: 'insert into message' },
  { name: 'confirm', program: 'tpc', head: 'insert into confirm' },
  { name: 'report', program: 'tpc', head: 'update confirm' },
  { name: 'inbox', program: 'consumer', head: 'insert into tpc_inbox' },
  { name: 'handler', program: 'consumer', head: 'insert into bench_done_batch' },
];

/** One load on one system, from its first transaction until everything is consumed. */
export async function measure(system: System, load: Load, round: number): Promise<Measurement> {
  const { producer, consumer, mode } = system;
  await consumer.ask('take');
  consumer.onTold((method, argument) => producer.tell(method, argument));
  const before = await usageOf(system);
  const sent = await producer.ask<Sending>('run', { mode, load });
  await untilConsumed(consumer, sent.ids.length);
  await idle();
  const after = await usageOf(system);
  const arrivals = await consumer.ask<ArrivalTable>('take');
  const confirmed = system.counted.tpc ? await producer.ask<Float64Array>('confirmed', sent.ids) : undefined;
  return {
    ...summarize(system.name, load, round, sent, arrivals, confirmed),
    ...usageBetween(before, after, sent.ids.length),
    load: loadavg()[0] ?? 0,
  };
}

async function untilConsumed(consumer: Child, messages: number): Promise<void> {
  let last = -1;
  for (let since = performance.now(); performance.now() - since < MISSING_AFTER_MS; ) {
    const count = await consumer.ask<number>('count');
    if (count >= messages) return;
    if (count !== last) since = performance.now();
    last = count;
    await sleep(20);
  }
}

/** What follows a message (reports, acknowledgements) belongs to its costs; it is gathered for some milliseconds. */
function idle(): Promise<void> {
  return sleep(300);
}

type Usage = { cpu: Record<string, number>; counts: Record<string, StatementCounts> };

async function usageOf({ processes, counted }: System): Promise<Usage> {
  const cpu = Object.fromEntries(Object.entries(processes).map(([name, pid]) => [name, cpuSeconds(pid)]));
  const counts = await Promise.all(Object.entries(counted).map(async ([name, child]) => [name, await child.ask<StatementCounts>('counts')] as const));
  return { cpu, counts: Object.fromEntries(counts) };
}

function usageBetween(before: Usage, after: Usage, messages: number) {
  const perMessage = (of: (counts: StatementCounts) => number) =>
    Object.fromEntries(
      Object.entries(after.counts).map(([name, counts]) => [name, (of(counts) - of(before.counts[name] as StatementCounts)) / messages]),
    );
  const batches = BATCHES.flatMap(({ name, program, head }) => {
    const runs = (after.counts[program]?.heads[head] ?? 0) - (before.counts[program]?.heads[head] ?? 0);
    return runs > 0 ? [[name, messages / runs] as const] : [];
  });
  return {
    cpuPerThousand: Object.fromEntries(Object.entries(after.cpu).map(([name, used]) => [name, ((used - (before.cpu[name] ?? 0)) * 1000) / messages])),
    commitsPerMessage: perMessage(({ commits }) => commits),
    roundTripsPerMessage: perMessage(({ roundTrips }) => roundTrips),
    batchSizes: Object.fromEntries(batches),
  };
}

function summarize(
  name: string,
  load: Load,
  round: number,
  sent: Sending,
  arrivals: ArrivalTable,
  confirmed: Float64Array | undefined,
): Omit<Measurement, 'load' | keyof ReturnType<typeof usageBetween>> {
  const stages = new Map(arrivals.map(({ stage, ids, times }) => [stage, new Map(ids.map((id, index) => [id, times[index] as number]))]));
  const consumed = stages.get('consumed') ?? new Map<string, number>();
  const ends = sent.ids.map((id) => consumed.get(id) ?? Number.NaN);
  const last = ends.filter(Number.isFinite).reduce((latest, time) => Math.max(latest, time), 0);
  const first = sent.begun.reduce((earliest, time) => Math.min(earliest, time), Number.POSITIVE_INFINITY);
  const since = (from: Float64Array, to: ArrayLike<number>) => quantiles(Array.from(from, (time, index) => (to[index] as number) - time));
  const latency: Record<string, Quantiles> = { transaction: since(sent.begun, sent.committed) };
  if (confirmed) latency.confirm = since(sent.committed, confirmed);
  for (const stage of ['broker', 'received', 'inbox', 'consumed']) {
    const times = stages.get(stage);
    if (times)
      latency[stage] = since(
        sent.committed,
        sent.ids.map((id) => times.get(id) ?? Number.NaN),
      );
  }
  latency.total = since(sent.begun, ends);
  const arrived = ends.filter(Number.isFinite).length;
  return {
    system: name,
    callers: load.callers,
    perSecond: load.perSecond,
    round,
    messages: sent.ids.length,
    missing: sent.ids.length - arrived,
    failed: sent.failed,
    unprepared: sent.unprepared ?? 0,
    firstError: sent.firstError,
    messagesPerSecond: arrived === 0 ? 0 : (arrived * 1000) / (last - first),
    latency,
  };
}
