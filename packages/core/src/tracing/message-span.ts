import { type Attributes, type AttributeValue, type Context, context as contexts, ROOT_CONTEXT, type Span } from '@opentelemetry/api';
import { endSpan, type MessageSpanOptions, type MessageTracer } from './message-tracer.ts';
import type { TracedMessage } from './span-attributes.ts';
import { contextUnder } from './trace-context.ts';

/**
 * The span of one piece of work on one message. Where the trace is not kept there is none, unless the work fails or turns out to be a repetition:
 * then it is made after all, with the time at which the work began.
 */
export class MessageSpan {
  readonly #start: (late: Pick<MessageSpanOptions, 'keep' | 'startTime'>) => Span | undefined;
  readonly #began = Date.now();
  #span: Span | undefined;
  #attributes: Attributes | undefined;

  constructor(tracing: MessageTracer, operation: string, message: TracedMessage, options: MessageSpanOptions) {
    this.#start = (late) => tracing.startMessage(operation, message, { ...options, ...late });
    this.#span = tracing.startMessage(operation, message, options);
  }

  /** The context under it; undefined without a span. */
  get context(): Context | undefined {
    return this.#span && contextUnder(this.#span);
  }

  set(name: string, value: AttributeValue): void {
    this.#span?.setAttribute(name, value);
    if (this.#span === undefined) this.#attributes = { ...this.#attributes, [name]: value };
  }

  /** From here on there is a span. */
  keep(): void {
    this.#span ??= this.#start({ keep: true, startTime: this.#began })?.setAttributes(this.#attributes ?? {});
  }

  /** Runs `work` under it, and under no other's span where there is none. */
  run<T>(work: () => T): T {
    return contexts.with(this.context ?? ROOT_CONTEXT, work);
  }

  /** @param failure why the work failed, as a code; undefined when it did not */
  end(failure?: string): void {
    if (failure !== undefined) this.keep();
    endSpan(this.#span, failure);
  }
}
