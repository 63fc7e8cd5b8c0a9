import type { Attributes, Link, Span, SpanContext, SpanStatus } from '@opentelemetry/api';

/** One span that stands in several traces: what is done to it is done to all. Whatever is made below it stands in the first trace alone. */
export class SpanInEach implements Span {
  readonly #first: Span;
  readonly #all: readonly Span[];

  constructor(first: Span, copies: readonly Span[]) {
    this.#first = first;
    this.#all = [first, ...copies];
  }

  spanContext(): SpanContext {
    return this.#first.spanContext();
  }

  setAttribute(...given: Parameters<Span['setAttribute']>): this {
    return this.#each((span) => span.setAttribute(...given));
  }

  setAttributes(attributes: Attributes): this {
    return this.#each((span) => span.setAttributes(attributes));
  }

  addEvent(...given: Parameters<Span['addEvent']>): this {
    return this.#each((span) => span.addEvent(...given));
  }

  addLink(link: Link): this {
    return this.#each((span) => span.addLink(link));
  }

  addLinks(links: Link[]): this {
    return this.#each((span) => span.addLinks(links));
  }

  setStatus(status: SpanStatus): this {
    return this.#each((span) => span.setStatus(status));
  }

  updateName(name: string): this {
    return this.#each((span) => span.updateName(name));
  }

  end(...given: Parameters<Span['end']>): void {
    this.#each((span) => span.end(...given));
  }

  isRecording(): boolean {
    return this.#first.isRecording();
  }

  recordException(...given: Parameters<Span['recordException']>): void {
    this.#each((span) => span.recordException(...given));
  }

  #each(work: (span: Span) => unknown): this {
    for (const span of this.#all) work(span);
    return this;
  }
}
