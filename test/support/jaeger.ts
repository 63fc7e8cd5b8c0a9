import { installJaeger } from '../../scripts/stack/install.ts';
import { jaegerPart } from '../../scripts/stack/jaeger.ts';
import { createProgress } from '../../scripts/stack/progress.ts';
import { PartProcess } from '../../scripts/stack/run-part.ts';
import { HOST } from '../../scripts/stack/settings.ts';
import type { Stack } from '../../scripts/stack/stack.ts';
import type { SeenSpan } from './seen-spans.ts';

type JaegerSpan = {
  traceID: string;
  spanID: string;
  operationName: string;
  references: { refType: 'CHILD_OF' | 'FOLLOWS_FROM'; traceID: string; spanID: string }[];
  tags: { key: string; value: unknown }[];
  processID: string;
};
type JaegerTrace = { traceID: string; spans: JaegerSpan[]; processes: Record<string, { serviceName: string }> };

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

  /** The traces in which a service has a span of this message, as Jaeger's query API answers people. */
  async tracesOf(service: string, messageKey: string): Promise<SeenSpan[][]> {
    const parameters = new URLSearchParams({ service, tags: JSON.stringify({ messageKey }), limit: '20', lookback: '1h' });
    const answer = await fetch(`${this.query}/api/traces?${parameters}`);
    const { data } = (await answer.json()) as { data: JaegerTrace[] | null };
    return (data ?? []).map((trace) => trace.spans.map((span) => seen(span, trace)));
  }
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
