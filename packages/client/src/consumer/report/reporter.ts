import { type Context, SpanKind } from '@opentelemetry/api';
import {
  batchAttributes,
  databaseAttributes,
  errorTypeOf,
  MAX_BATCH,
  MessageSpan,
  NaturalBatcher,
  onlyKey,
  statementsUnderSpan,
  storedTraceOfContext,
} from '@tpc/core';
import type { Status } from '@tpc/gen/google/rpc/status';
import type { Delivery } from '@tpc/gen/tpc/v1/reliable_message_service';
import { errorOfItem, toTpcError } from '../../connection/index.ts';
import { type CallTrace, callUnderSpan } from '../../tracing.ts';
import type { Settings } from '../defaults.ts';
import { ReportKind } from '../domain/states.ts';
import type { Telemetry } from '../observe/counters.ts';
import { claimDueReports, markRefused, markReported, type Report } from '../store/report-inbox.ts';

type Gathered = {
  report: Report;
  /** On the clock of `performance.now()`: it is not told before. */
  ripeAt: number;
};

/** Below the contract's MAX_REPORTS, so that failures with their words stay below 2 MiB. */
const REPORTS_AT_ONCE = MAX_BATCH;
const DEADLINE_MS = 5_000;

const { RECEIVED, CONSUMED, FAILED } = ReportKind;
const METHODS = { [RECEIVED]: 'BatchConfirmReceiveMessage', [CONSUMED]: 'BatchConfirmConsumedMessage', [FAILED]: 'BatchReportConsumeFailure' };
const OPERATIONS = { [RECEIVED]: 'report_received', [CONSUMED]: 'report_consumed', [FAILED]: 'report_failed' };

/**
 * Tells TPC what became of deliveries. Nobody waits for it: reports are gathered (`reportLingerMs`) and sent together. Each receive waits that
 * long at least, and travels as consumed only where the message is consumed by then. What TPC has not acknowledged stands in the inbox row, and
 * `sweep` repeats it; so whatever is lost here (a crash, TPC away, a full queue) is only late.
 */
export class Reporter {
  readonly #settings: Settings;
  readonly #telemetry: Telemetry;
  readonly #batcher: NaturalBatcher<Gathered, undefined>;
  #open = false;
  #storeId: string | undefined;
  #reachable = true;

  constructor(settings: Settings, telemetry: Telemetry) {
    this.#settings = settings;
    this.#telemetry = telemetry;
    this.#batcher = new NaturalBatcher<Gathered, undefined>({
      name: 'reports',
      maxCount: REPORTS_AT_ONCE,
      maxQueued: 20_000,
      lingerMs: settings.reportLingerMs,
      bisect: () => false,
      flush: async (gathered) => {
        if (this.#open) await this.#sendAll(this.#ripe(gathered));
        return gathered.map(() => undefined);
      },
    });
  }

  get queued(): number {
    return this.#batcher.queued;
  }

  /** From which inbox database it reports; TPC compares it with the group's. */
  from(storeId: string): void {
    this.#storeId = storeId;
  }

  /** Sends from now on; before, and after `close`, reports are left to the sweep. */
  open(): void {
    this.#open = true;
  }

  close(): void {
    this.#open = false;
  }

  /** Tells TPC soon; never fails. */
  report(report: Report): void {
    this.#gather({ report, ripeAt: report.kind === RECEIVED ? performance.now() + this.#settings.reportLingerMs : 0 });
  }

  #gather(gathered: Gathered): void {
    this.#batcher.add(gathered).catch((error: unknown) => this.#settings.log.debug({ err: error }, 'a report is left to the sweep'));
  }

  /** Those that may go now; the others come again in the next flush. */
  #ripe(gathered: readonly Gathered[]): Report[] {
    const now = performance.now();
    const latest = new Set(latestPerDelivery(gathered.map(({ report }) => report)));
    for (const one of gathered) if (one.ripeAt > now && latest.delete(one.report)) this.#gather(one);
    return [...latest];
  }

  /** Resolves when every report given so far was sent once. */
  drain(): Promise<void> {
    return this.#batcher.drain();
  }

  /** Repeats what is due, until nothing is or TPC cannot be reached. @returns how many TPC has acknowledged */
  async sweep(): Promise<number> {
    const { knex, group, reportRepeatMs } = this.#settings;
    let acknowledged = 0;
    while (this.#open) {
      const reports = await claimDueReports(knex, { group, limit: REPORTS_AT_ONCE, repeatMs: reportRepeatMs });
      if (reports.length === 0) break;
      if (!(await this.#sendAll(reports))) break;
      acknowledged += reports.length;
    }
    return acknowledged;
  }

  /** @returns false when TPC could not be reached, or its answer not be noted */
  async #sendAll(reports: readonly Report[]): Promise<boolean> {
    const kinds = [ReportKind.RECEIVED, ReportKind.CONSUMED, ReportKind.FAILED];
    const sent = await Promise.all(
      kinds.map((kind) =>
        this.#sendKind(
          kind,
          reports.filter((report) => report.kind === kind),
        ),
      ),
    );
    return sent.every(Boolean);
  }

  async #sendKind(kind: ReportKind, reports: readonly Report[]): Promise<boolean> {
    if (reports.length === 0) return true;
    let statuses: (Status | undefined)[];
    const spans = this.#startSpans(kind, reports);
    try {
      statuses = await this.#call(kind, reports, spans);
      spans?.forEach((span, index) => {
        span.end(errorOfItem(statuses[index])?.status);
      });
      this.#noteReachable(true);
    } catch (error) {
      for (const span of spans ?? []) span.end(errorTypeOf(toTpcError(error)));
      this.#noteReachable(false, error);
      this.#telemetry.emit({ type: 'reported', count: reports.length, accepted: false });
      return false;
    }
    this.#telemetry.emit({ type: 'reported', count: reports.length, accepted: true });
    try {
      await this.#underSpan(reports, spans, () => this.#noteAnswers(kind, reports, statuses));
      return true;
    } catch (error) {
      this.#settings.log.warn({ err: error }, 'the acknowledgement of reports could not be stored; they are repeated');
      return false;
    }
  }

  /** Each report has its span, below that of the work which it reports; a repeated one is of interest in every case. */
  #startSpans(kind: ReportKind, reports: readonly Report[]): MessageSpan[] | undefined {
    const { tracing, group: consumerGroup } = this.#settings;
    if (tracing === undefined) return undefined;
    return reports.map(({ messageKey, trace }) => {
      const repeated = trace !== undefined && 'traceparent' in trace;
      const options = { kind: SpanKind.CLIENT, parent: trace, type: 'settle', keep: repeated } as const;
      return new MessageSpan(tracing, OPERATIONS[kind], { messageKey, topic: '', consumerGroup }, options);
    });
  }

  #underSpan(reports: readonly Report[], spans: readonly MessageSpan[] | undefined, work: () => Promise<void>): Promise<void> {
    if (spans === undefined) return work();
    const { tracing, knex } = this.#settings;
    const keys = reports.map(({ messageKey }) => messageKey);
    const attributes = { ...databaseAttributes(knex, 'UPDATE', 'tpc_inbox', keys.length), ...onlyKey(keys) };
    return statementsUnderSpan(tracing, { attributes, of: spans.map(({ context }) => context) }, work);
  }

  #call(kind: ReportKind, reports: readonly Report[], spans: readonly MessageSpan[] | undefined): Promise<(Status | undefined)[]> {
    const { tracing } = this.#settings;
    const of = spans?.map(({ context }) => context) ?? [];
    const deliveries = reports.map(({ messageKey, generation }, index) => ({ messageKey, generation, ...traceparentOf(of[index]) }));
    if (tracing === undefined) return this.#send(kind, reports, deliveries, {});
    const attributes = batchAttributes(OPERATIONS[kind], reports.length, onlyKey(reports.map(({ messageKey }) => messageKey)));
    return callUnderSpan(tracing, { method: METHODS[kind], of, attributes }, (trace) => this.#send(kind, reports, deliveries, trace));
  }

  async #send(kind: ReportKind, reports: readonly Report[], deliveries: Delivery[], trace: CallTrace): Promise<(Status | undefined)[]> {
    const { tpc, group: consumerGroup, instanceId } = this.#settings;
    const reporter = { consumerGroup, storeId: this.#storeId, instanceId };
    const options = { deadlineMs: DEADLINE_MS, ...trace };
    if (kind === ReportKind.RECEIVED) {
      return (await tpc.batchConfirmReceiveMessage({ ...reporter, deliveries }, options)).results.map((result) => result.status);
    }
    if (kind === ReportKind.CONSUMED) {
      return (await tpc.batchConfirmConsumedMessage({ ...reporter, deliveries }, options)).results.map((result) => result.status);
    }
    const failures = reports.map(({ reason, detail }, index) => ({ delivery: deliveries[index], reason, detail }));
    return (await tpc.batchReportConsumeFailure({ ...reporter, failures }, options)).results.map((result) => result.status);
  }

  /** A result that is missing counts as not acknowledged. */
  async #noteAnswers(kind: ReportKind, reports: readonly Report[], statuses: readonly (Status | undefined)[]): Promise<void> {
    const { knex, group, reportRepeatMs, log } = this.#settings;
    const answered = reports.slice(0, statuses.length);
    const accepted = answered.filter((_, index) => errorOfItem(statuses[index]) === undefined);
    const refused = answered.filter((_, index) => errorOfItem(statuses[index]) !== undefined);
    await markReported(knex, group, kind, accepted);
    if (refused.length === 0) return;
    const err = statuses.map(errorOfItem).find(Boolean);
    log.warn(
      { err, consumer_group: group, message_key: refused[0]?.messageKey, num_refused: refused.length },
      'TPC refused reports; they are repeated ever more slowly',
    );
    await markRefused(knex, group, kind, refused, reportRepeatMs);
  }

  #noteReachable(reachable: boolean, error?: unknown): void {
    if (reachable !== this.#reachable) {
      const { log, group } = this.#settings;
      if (reachable) log.info({ consumer_group: group }, 'reports reach TPC again');
      else log.warn({ consumer_group: group, err: toTpcError(error) }, 'reports do not reach TPC; they are repeated');
    }
    this.#reachable = reachable;
  }
}

/** Of several reports on one delivery only the last counts. */
export function latestPerDelivery(reports: readonly Report[]): Report[] {
  const latest = new Map<string, Report>();
  for (const report of reports) {
    const name = `${report.generation}/${report.messageKey}`;
    const before = latest.get(name);
    if (before === undefined || report.kind >= ReportKind.CONSUMED || before.kind === ReportKind.RECEIVED) latest.set(name, report);
  }
  return [...latest.values()];
}

function traceparentOf(context: Context | undefined): { traceparent?: string } {
  return context === undefined ? {} : { traceparent: storedTraceOfContext(context).traceparent };
}
