import {
  type Attributes,
  type Context,
  INVALID_SPAN_CONTEXT,
  type Link,
  type Span,
  type SpanContext,
  type SpanStatus,
  type Tracer,
  trace,
} from '@opentelemetry/api';

/** What is used of a tracer here. */
export type SpanStarter = Pick<Tracer, 'startSpan'>;

/**
 * The same tracer, but what it or its spans throw is dropped: telemetry is somebody else's code, and never stops a message or ends a process. A span that
 * could not be made is replaced by one that records nothing and stands for its parent, so that the trace goes on behind it.
 */
export function harmlessTracer(tracer: SpanStarter): SpanStarter {
  return {
    startSpan(name, options, context) {
      try {
        const span = tracer.startSpan(name, options, context);
        return new HarmlessSpan(span, span.spanContext());
      } catch {
        return trace.wrapSpanContext(parentOf(context) ?? INVALID_SPAN_CONTEXT);
      }
    },
  };
}

function parentOf(context: Context | undefined): SpanContext | undefined {
  return context && trace.getSpanContext(context);
}

class HarmlessSpan implements Span {
  readonly #span: Span;
  readonly #context: SpanContext;

  constructor(span: Span, context: SpanContext) {
    this.#span = span;
    this.#context = context;
  }

  spanContext(): SpanContext {
    return this.#context;
  }

  setAttribute(...given: Parameters<Span['setAttribute']>): this {
    return this.#try((span) => span.setAttribute(...given));
  }

  setAttributes(attributes: Attributes): this {
    return this.#try((span) => span.setAttributes(attributes));
  }

  addEvent(...given: Parameters<Span['addEvent']>): this {
    return this.#try((span) => span.addEvent(...given));
  }

  addLink(link: Link): this {
    return this.#try((span) => span.addLink(link));
  }

  addLinks(links: Link[]): this {
    return this.#try((span) => span.addLinks(links));
  }

  setStatus(status: SpanStatus): this {
    return this.#try((span) => span.setStatus(status));
  }

  updateName(name: string): this {
    return this.#try((span) => span.updateName(name));
  }

  end(...given: Parameters<Span['end']>): void {
    this.#try((span) => span.end(...given));
  }

  isRecording(): boolean {
    try {
      return this.#span.isRecording();
    } catch {
      return false;
    }
  }

  recordException(...given: Parameters<Span['recordException']>): void {
    this.#try((span) => span.recordException(...given));
  }

  #try(work: (span: Span) => unknown): this {
    try {
      work(this.#span);
    } catch {
      // Said nowhere: whoever would say it is what has just failed.
    }
    return this;
  }
}
