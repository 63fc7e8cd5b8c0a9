import {
  type Attributes,
  type Context,
  context as contexts,
  createContextKey,
  type Link,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { harmlessTracer, type SpanStarter } from './harmless-tracer.ts';
import { BATCH_COPY, messageAttributes, messageSpanName, type OperationType, type TracedMessage } from './span-attributes.ts';
import { SpanInEach } from './span-in-each.ts';
import { contextOf, contextUnder, isKept, isKeptTrace, keptContext, type StoredTrace } from './trace-context.ts';

/** A batch of at most so many messages is told in the trace of each. A larger one has one span, so that its share of a message's cost stays small. */
const TOLD_IN_EACH = 4;

export type MessageSpanOptions = {
  kind: SpanKind;
  /** Under what it stands: a stored context, or one in memory. Without one no span is made. */
  parent: StoredTrace | Context | undefined;
  type?: OperationType;
  /** The span is made in every case, and what stands below it: for a failure, or what repeats something. */
  keep?: boolean;
  attributes?: Attributes;
  /** What it repeats. */
  links?: Link[];
  /** Its id, where that must be known to who repeats it. Default: a random one. */
  spanId?: string | undefined;
  /** Wall clock, milliseconds, of what is noted when it is over. Default: now. */
  startTime?: number;
};

/**
 * Makes the spans of messages. Whoever holds `undefined` in place of one traces nothing and pays nothing; so every call site asks first.
 *
 * Whether a trace is kept is decided where it begins and travels as the sampled flag of its context. A span of a trace that is not kept is not
 * made; a failure or a repetition sets the flag (`keep`), so what follows from it is kept too.
 */
export class MessageTracer {
  readonly #tracer: SpanStarter;
  readonly #presetSpanId: ((spanId: string) => void) | undefined;

  /** @param presetSpanId sets the id of the tracer's next span, where its SDK can; without it `spanId` is not heeded */
  constructor(tracer: Tracer, presetSpanId?: (spanId: string) => void) {
    this.#tracer = harmlessTracer(tracer);
    this.#presetSpanId = presetSpanId;
  }

  /** A span of other work below `parent`; undefined where the trace is not kept. */
  start(name: string, kind: SpanKind, parent: Context, attributes: Attributes): Span | undefined {
    return isKept(parent) ? this.#tracer.startSpan(name, { kind, attributes }, parent) : undefined;
  }

  /** A span where a trace may begin: below `parent`, or of a new trace for which the sampler decides. Not recording where that is not kept. */
  begin(name: string, kind: SpanKind, parent: Context = ROOT_CONTEXT): Span {
    return this.#tracer.startSpan(name, { kind }, parent);
  }

  /** A span of work on one message; undefined where its trace is not kept. */
  startMessage(operation: string, message: TracedMessage, options: MessageSpanOptions): Span | undefined {
    const { kind, keep = false, type, links = [] } = options;
    const parent = contextIn(options.parent, keep);
    if (parent === undefined) return undefined;
    const attributes = { ...messageAttributes(operation, message, type), ...options.attributes };
    const startTime = options.startTime === undefined ? {} : { startTime: options.startTime };
    if (options.spanId !== undefined) this.#presetSpanId?.(options.spanId);
    return this.#tracer.startSpan(messageSpanName(operation, message.topic), { kind, attributes, links, ...startTime }, parent);
  }

  /**
   * One span for work on many messages. It stands in the trace of the first of them that is kept, links to all that are, and they link to it; of one
   * message alone it is simply part of the trace.
   * @param of the messages' own spans as contexts
   */
  startBatch(name: string, kind: SpanKind, of: readonly (Context | undefined)[], attributes: Attributes): Span | undefined {
    const kept = of.filter(isKept);
    const [first] = kept;
    if (first === undefined) return undefined;
    if (of.length === 1) return this.#tracer.startSpan(name, { kind, attributes }, first);
    const links = kept.flatMap((context) => linkTo(trace.getSpanContext(context)));
    const batch = this.#tracer.startSpan(name, { kind, attributes, links }, first);
    for (const context of kept) trace.getSpan(context)?.addLink({ context: batch.spanContext() });
    return batch;
  }

  /**
   * startBatch for a step that no message has a span of its own for (a request, statements): people look a message up by its key and read one trace, so a
   * batch of few is told in each of their traces. The copies are marked, and linked to the span that they repeat.
   */
  startStep(name: string, kind: SpanKind, of: readonly (Context | undefined)[], attributes: Attributes): Span | undefined {
    const batch = this.startBatch(name, kind, of, attributes);
    if (batch === undefined || of.length === 1 || of.length > TOLD_IN_EACH) return batch;
    const { traceId } = batch.spanContext();
    const others = new Map(of.filter(isKept).map((context) => [trace.getSpanContext(context)?.traceId, context]));
    others.delete(traceId);
    if (others.size === 0) return batch;
    const options = { kind, attributes: { ...attributes, [BATCH_COPY]: true }, links: linkTo(batch.spanContext()) };
    return new SpanInEach(
      batch,
      [...others.values()].map((context) => this.#tracer.startSpan(name, options, context)),
    );
  }
}

/** The parent as a context, where a span is to be made below it. */
function contextIn(parent: StoredTrace | Context | undefined, keep: boolean): Context | undefined {
  if (parent === undefined) return undefined;
  const stored = 'traceparent' in parent;
  // Most messages of a sampled system end here, before anything is read or built.
  if (!keep && !(stored ? isKeptTrace(parent.traceparent) : isKept(parent))) return undefined;
  const context = stored ? contextOf(parent) : parent;
  return context && keep ? keptContext(context) : context;
}

/** Links to a span, where there is one. */
export function linkTo(context: SpanContext | undefined): Link[] {
  return context === undefined ? [] : [{ context }];
}

/** Ends a span by its outcome. Of an error only its class is told: its words may hold what must not be seen. */
export function endSpan(span: Span | undefined, errorType?: string): void {
  if (span === undefined) return;
  if (errorType !== undefined) {
    span.setAttribute('error.type', errorType);
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}

/** Runs `work` under a span, and ends that by its outcome; without a span, `work` runs as it is. */
export async function inSpan<T>(span: Span | undefined, work: () => Promise<T>): Promise<T> {
  if (span === undefined) return work();
  try {
    const result = await contexts.with(trace.setSpan(contexts.active(), span), work);
    span.end();
    return result;
  } catch (error) {
    endSpan(span, errorTypeOf(error));
    throw error;
  }
}

const CODE = /^\w{1,64}$/;

/** What an error is called in a span: its reason or code, else its class. */
export function errorTypeOf(error: unknown): string {
  const { reason, code, status, name } = (error ?? {}) as { reason?: unknown; code?: unknown; status?: unknown; name?: unknown };
  for (const type of [reason, code, status, name]) if (typeof type === 'string' && CODE.test(type)) return type;
  return 'Error';
}

const BY_HAND = createContextKey('tpc: SQL statements are traced by hand');

/** Whether the caller has one span for all of its SQL statements, so that they get none of their own. */
export function statementsAreTracedByHand(context: Context): boolean {
  return context.getValue(BY_HAND) === true;
}

/**
 * Does database work on some messages under one span for all of its statements.
 * @param attributes see databaseAttributes
 * @param of the messages' own spans as contexts
 */
export async function statementsUnderSpan<T>(
  tracing: MessageTracer | undefined,
  { attributes, of }: { attributes: Attributes; of: readonly (Context | undefined)[] },
  work: () => Promise<T>,
): Promise<T> {
  if (tracing === undefined) return work();
  const span = tracing.startStep(String(attributes['db.query.summary']), SpanKind.CLIENT, of, attributes);
  // A flush goes on in whatever context its first caller had: that is none of the others' business.
  const under = (span ? contextUnder(span) : ROOT_CONTEXT).setValue(BY_HAND, true);
  try {
    const result = await contexts.with(under, work);
    span?.end();
    return result;
  } catch (error) {
    endSpan(span, errorTypeOf(error));
    throw error;
  }
}
