import { type Context, context as contexts, type Span, SpanKind } from '@opentelemetry/api';
import { batchAttributes, contextUnder, endSpan, type MessageSpan, type MessageTracer, messageSpanName } from '@tpc/core';
import type { InboxRow } from '../domain/inbox-row.ts';
import { processSpan } from './row-span.ts';

/** The spans of one call of a handler: each message's own and, where there are several, one for the call. */
export class ProcessSpans {
  readonly #own: MessageSpan[];
  readonly #batch: Span | undefined;

  constructor(tracing: MessageTracer, group: string, rows: readonly InboxRow[]) {
    this.#own = rows.map((row) => processSpan(tracing, group, row));
    const topic = rows[0]?.topic ?? '';
    const attributes = batchAttributes('process', rows.length, { 'messaging.destination.name': topic, 'messaging.consumer.group.name': group });
    const own = this.#own.map(({ context }) => context);
    if (rows.length > 1) this.#batch = tracing.startBatch(messageSpanName('process', topic), SpanKind.CONSUMER, own, attributes);
  }

  /** Runs the handler under them. */
  run<T>(work: () => T): T {
    return this.#batch ? contexts.with(contextUnder(this.#batch), work) : (this.#own[0] as MessageSpan).run(work);
  }

  contextOf(index: number): Context | undefined {
    return this.#own[index]?.context;
  }

  /** @param failure why the call failed, as a code; undefined when it did not */
  end(failure?: string): void {
    endSpan(this.#batch, failure);
    for (const span of this.#own) span.end(failure);
  }
}
