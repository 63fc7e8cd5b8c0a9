import { expect } from 'vitest';
import { installJaeger } from '../../../tools/stack/install.ts';
import { jaegerPart } from '../../../tools/stack/jaeger.ts';
import { createProgress } from '../../../tools/stack/progress.ts';
import { PartProcess } from '../../../tools/stack/run-part.ts';
import { HOST } from '../../../tools/stack/settings.ts';
import type { Stack } from '../../../tools/stack/stack.ts';
import { until } from '../until.ts';
import { missingHops, type SeenSpan } from './seen-spans.ts';

type JaegerSpan = {
  traceID: string;
  spanID: string;
  operationName: string;
  references: { refType: 'CHILD_OF' | 'FOLLOWS_FROM'; traceID: string; spanID: string }[];
  tags: { key: string; value: unknown }[];
  processID: string;
};
type JaegerTrace = { traceID: string; spans: JaegerSpan[]; processes: Record<string, { serviceName: string }> };

/** Spans are sent each second, from three processes. */
const SEEN_WITHIN_MS = 20_000;

/** A real Jaeger beside a stack; built with Go where it is not there yet, which takes minutes. */
export class Jaeger {
  /** Where services send their spans. */
  readonly otlp: string;
  /** Its query API. */
  readonly query: string;
  readonly #part: PartProcess;

  private constructor(stack: Stack, part: PartProcess) {
    this.otlp = `http://${HOST}:${stack.settings.STACK_OTLP_PORT}`;
    this.query = `http://${HOST}:${stack.settings.STACK_JAEGER_PORT}`;
    this.#part = part;
  }

  static async start(stack: Stack): Promise<Jaeger> {
    await installJaeger(createProgress((line) => console.log(`stack: ${line}`)));
    const part = new PartProcess(jaegerPart(stack.settings), stack.settings);
    await part.start();
    return new Jaeger(stack, part);
  }

  async stop(): Promise<void> {
    await this.#part.kill();
  }
}

/**
 * The one trace of a message, as Jaeger's query API answers people, once it holds what is waited for.
 * @param query address of that API
 * @param hops paths of spans that have to be in it
 */
export async function traceInJaeger(
  query: string,
  messageKey: string,
  hops: readonly (readonly string[])[],
  complete: (spans: SeenSpan[]) => boolean = () => true,
): Promise<SeenSpan[]> {
  let missing: string[] = [];
  const look = async () => {
    const traces = await Promise.all(['tpc', 'uac', 'opc'].map((service) => tracesOf(query, service, messageKey)));
    const byId = new Map(traces.flat().map((spans) => [spans[0]?.traceId, spans]));
    expect(byId.size).toBeLessThanOrEqual(1);
    const [spans = []] = byId.values();
    missing = missingHops(spans, hops);
    return missing.length === 0 && complete(spans) ? spans : undefined;
  };
  return (await until('Jaeger has the whole trace', look, SEEN_WITHIN_MS).catch((error) => {
    expect(missing).toEqual([]);
    throw error;
  })) as SeenSpan[];
}

/** The traces in which a service has a span of this message. */
async function tracesOf(query: string, service: string, messageKey: string): Promise<SeenSpan[][]> {
  const parameters = new URLSearchParams({ service, tags: JSON.stringify({ messageKey }), limit: '20', lookback: '1h' });
  const answer = await fetch(`${query}/api/traces?${parameters}`);
  const { data } = (await answer.json()) as { data: JaegerTrace[] | null };
  return (data ?? []).map((trace) => trace.spans.map((span) => seen(span, trace)));
}

function seen(span: JaegerSpan, trace: JaegerTrace): SeenSpan {
  const parent = span.references.find(({ refType }) => refType === 'CHILD_OF');
  const attributes = Object.fromEntries(span.tags.map(({ key, value }) => [key, value]));
  return {
    service: trace.processes[span.processID]?.serviceName ?? '',
    name: span.operationName,
    traceId: span.traceID,
    spanId: span.spanID,
    parentId: parent?.spanID,
    links: span.references.filter((reference) => reference !== parent).map(({ traceID, spanID }) => ({ traceId: traceID, spanId: spanID })),
    attributes,
    failed: attributes['otel.status_code'] === 'ERROR' || attributes.error === true,
  };
}
