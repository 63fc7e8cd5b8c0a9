import { SpanKind } from '@opentelemetry/api';
import {
  databaseAttributes,
  endSpan,
  errorTypeOf,
  isKept,
  isKeptTrace,
  keptTraceparent,
  MessageSpan,
  type MessageSpanOptions,
  type MessageTracer,
  messageAttributes,
  messageSpanName,
  onlyKey,
  type StoredTrace,
  statementsUnderSpan,
  storedTraceOf,
  type TracedMessage,
} from '@tpc/core';
import { MessageState } from '../domain/states.ts';
import type { Mark, PublishItem, SaveItem } from '../store/store-types.ts';
import type { Traced, Writes } from './writes.ts';

/** Tracing of TPC's writes; `database` as databaseAttributes names it. */
export type WriteTracing = { messages: MessageTracer; database: 'sqlite' | 'mysql' };

/** Puts each write under a span of its message. Their flushes have spans for all of their messages (`flushUnderSpan`). */
export function traceWrites(writes: Writes, { messages }: WriteTracing): Writes {
  const under = async <I, R>(
    name: string,
    message: TracedMessage,
    item: Traced<I>,
    options: Partial<MessageSpanOptions>,
    write: (item: Traced<I>) => Promise<R>,
  ): Promise<R> => {
    const span = new MessageSpan(messages, name, message, { kind: SpanKind.INTERNAL, parent: item.call, ...options });
    try {
      const result = await write({ ...item, trace: span.context });
      span.end(failureIn(result));
      return result;
    } catch (error) {
      span.end(errorTypeOf(error));
      throw error;
    }
  };
  const content = <I extends SaveItem>(item: Traced<I>): Traced<I> => withOrigin(messages, item);
  return {
    save: (given, deadline) => {
      const item = content(given);
      return under('prepare', messageOf(item), item, { parent: callOrContent(item) }, (traced) => writes.save(traced, deadline));
    },
    saveAndSend: (given, deadline) => {
      const item = content(given);
      return under('save_and_send', messageOf(item), item, { parent: callOrContent(item) }, (traced) => writes.saveAndSend(traced, deadline));
    },
    confirm: (item, deadline) => under('confirm', keyOf(item), item, {}, (traced) => writes.confirm(traced, deadline)),
    delete: (item, deadline) => under('delete', keyOf(item), item, {}, (traced) => writes.delete(traced, deadline)),
    verdict: (item, deadline) =>
      under('verdict', keyOf(item), item, { attributes: { 'tpc.verdict': item.verdict } }, (traced) => writes.verdict(traced, deadline)),
    mark: (item, deadline) =>
      under(`mark_${item.kind}`, markedOf(item), item, { attributes: { 'tpc.generation': item.generation } }, (traced) =>
        writes.mark(traced, deadline),
      ),
    drain: () => writes.drain(),
  };
}

/** Runs a flush under one span for all of its messages. */
export function flushUnderSpan<I extends Traced<{ messageKey: string }>, O>(
  tracing: WriteTracing | undefined,
  [operation, table]: readonly [operation: string, table: string],
  flush: (items: readonly I[], until: number) => Promise<O>,
): (items: readonly I[], until: number) => Promise<O> {
  if (tracing === undefined) return flush;
  return (items, until) => {
    const keys = items.map(({ messageKey }) => messageKey);
    const attributes = { ...databaseAttributes(tracing.database, operation, table, items.length), ...onlyKey(keys) };
    return statementsUnderSpan(tracing.messages, { attributes, of: items.map(({ trace }) => trace) }, () => flush(items, until));
  };
}

/** What is published because of a call whose trace is kept stays kept, also where the message was stored under one that was not. */
export function keptAlong(items: readonly Traced<{ messageKey: string }>[], publish: PublishItem[]): PublishItem[] {
  const kept = new Set(items.filter(({ trace }) => isKept(trace)).map(({ messageKey }) => messageKey));
  if (kept.size === 0) return publish;
  return publish.map((item) => {
    const { traceparent } = item.content;
    if (!kept.has(item.messageKey) || isKeptTrace(traceparent)) return item;
    return { ...item, content: { ...item.content, traceparent: keptTraceparent(traceparent) } };
  });
}

/** A message that comes without a trace begins one here: all that happens to it stands below this span. */
function withOrigin<I extends SaveItem>(messages: MessageTracer, item: Traced<I>): Traced<I> {
  if (item.content.traceparent !== '') return item;
  const message = messageOf(item);
  const span = messages.begin(messageSpanName('create', message.topic), SpanKind.PRODUCER);
  if (span.isRecording()) span.setAttributes(messageAttributes('create', message, 'create'));
  endSpan(span);
  return { ...item, content: { ...item.content, ...storedTraceOf(span.spanContext()) } };
}

/** The call's span, if it is part of the message's trace: one message has one. */
function callOrContent({ call, content }: Traced<SaveItem>): StoredTrace {
  const ofMessage = call !== undefined && traceOf(call.traceparent) === traceOf(content.traceparent);
  return ofMessage ? call : content;
}

function traceOf(traceparent: string): string {
  return traceparent.slice(0, '00-'.length + 32);
}

function messageOf({ messageKey, content }: SaveItem): TracedMessage {
  return { messageKey, topic: content.topic, tag: content.tag };
}

function keyOf({ messageKey }: { messageKey: string }): TracedMessage {
  return { messageKey, topic: '' };
}

function markedOf({ messageKey, consumerGroup }: Mark): TracedMessage {
  return { messageKey, topic: '', consumerGroup };
}

/** A refusal, or that the message is stored as dead: both are of interest, whatever was decided where its trace began. */
function failureIn(result: unknown): string | undefined {
  const { refused, state, reason } = result as { refused?: string; state?: number; reason?: string };
  return refused ?? (state === MessageState.DEAD ? reason || 'DEAD' : undefined);
}
