import { context as contexts, SpanKind } from '@opentelemetry/api';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { contextOf, contextUnder, endSpan, MessageSpan, run, statementsUnderSpan } from '@tpc/core';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { loadConfig } from '../host/config.ts';
import { createLog } from '../log/log.ts';
import { openDatabase } from '../sql/open-database.ts';
import { saysWhenItFails } from './says-when-it-fails.ts';
import { traceStatements } from './statement-spans.ts';
import { startTracing, type Tracing, traceTo, tracingSettings } from './tracing.ts';

const exporter = new InMemorySpanExporter();
const trace = (sampleRatio = 1): Tracing => traceTo('test', new SimpleSpanProcessor({ exporter }), sampleRatio);
const spans = () => exporter.getFinishedSpans();
const names = () => spans().map(({ name }) => name);
afterEach(() => exporter.reset());

const stored = (flags: string, id = 'b') => ({ traceparent: `00-${'a'.repeat(32)}-${id.repeat(16)}-${flags}`, tracestate: '' });
const message = { messageKey: 'k', topic: 'T' };

describe('settings of tracing', () => {
  const schema = z.object(tracingSettings);

  it('trace nothing by default', async () => {
    const log = createLog({ service: 'test', level: 'silent', format: 'json' });
    expect(await startTracing({ service: 'test', config: loadConfig(schema, {}), log })).toBeUndefined();
  });

  it.each([
    ['TRACE_SAMPLE_RATIO', '1.5'],
    ['TRACE_SAMPLE_RATIO', '-1'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', '127.0.0.1:4317'],
  ])('refuse %s=%s', (name, value) => {
    expect(() => loadConfig(schema, { [name]: value })).toThrow(name);
  });
});

describe('a span of a message', () => {
  it('stands below its stored context and carries the key', () => {
    new MessageSpan(trace().messages, 'publish', message, { kind: SpanKind.PRODUCER, parent: stored('01'), type: 'send' }).end();
    expect(names()).toEqual(['T publish']);
    expect(spans()[0]?.parentSpanContext?.spanId).toBe('b'.repeat(16));
    expect(spans()[0]?.attributes).toMatchObject({ messageKey: 'k', 'messaging.system.name': 'rocketmq', 'rocketmq.message.keys': ['k'] });
  });

  it('has the id that was asked for, and the next one another', () => {
    const { messages } = trace();
    const options = { kind: SpanKind.PRODUCER, parent: stored('01') };
    new MessageSpan(messages, 'publish', message, { ...options, spanId: 'c'.repeat(16) }).end();
    new MessageSpan(messages, 'publish', message, options).end();
    expect(spans().map((span) => span.spanContext().spanId === 'c'.repeat(16))).toEqual([true, false]);
  });

  it('is not made where the edge did not keep the trace, unless the work fails: then with its beginning', () => {
    const { messages } = trace();
    const make = () => new MessageSpan(messages, 'process', message, { kind: SpanKind.CONSUMER, parent: stored('00') });
    make().end();
    expect(spans()).toEqual([]);
    const failing = make();
    expect(failing.context).toBeUndefined();
    failing.end('SMTP_DOWN');
    expect(spans()[0]?.attributes['error.type']).toBe('SMTP_DOWN');
    expect(spans()[0]?.spanContext().traceFlags).toBe(1);
    expect(failing.context).toBeDefined();
  });
});

describe('a batch', () => {
  it('stands in the first kept trace, and is linked with every kept message both ways', () => {
    const { messages } = trace();
    const own = [stored('00'), stored('01', 'c'), stored('01', 'd')].map(
      (parent) => new MessageSpan(messages, 'save', message, { kind: SpanKind.INTERNAL, parent }),
    );
    const batch = messages.startBatch(
      'INSERT message',
      SpanKind.CLIENT,
      own.map(({ context }) => context),
      {},
    );
    batch?.end();
    for (const span of own) span.end();
    const [made, ...members] = spans();
    expect(made?.parentSpanContext?.spanId).toBe(members[0]?.spanContext().spanId);
    expect(made?.links.map(({ context }) => context.spanId)).toEqual(members.map((span) => span.spanContext().spanId));
    for (const member of members) expect(member.links.map(({ context }) => context.spanId)).toEqual([made?.spanContext().spanId]);
  });

  it.each([
    [4, 4],
    [5, 1],
  ])('of %i messages has %i spans for a step that is theirs together', (count, told) => {
    const { messages } = trace();
    const of = Array.from({ length: count }, (_, index) =>
      contextOf({ traceparent: `00-${String(index + 1).repeat(32)}-${'b'.repeat(16)}-01`, tracestate: '' }),
    );
    const step = messages.startStep('INSERT message', SpanKind.CLIENT, of, { size: count });
    endSpan(step, 'DEADLOCK');
    const [first, ...copies] = spans().toSorted((one, other) => other.links.length - one.links.length);
    expect([first?.links.length, 1 + copies.length]).toEqual([count, told]);
    expect(first?.attributes).toEqual({ size: count, 'error.type': 'DEADLOCK' });
    for (const copy of copies) {
      expect(copy.attributes).toEqual({ size: count, 'tpc.copy': true, 'error.type': 'DEADLOCK' });
      expect(copy.links.map(({ context }) => context.spanId)).toEqual([first?.spanContext().spanId]);
    }
    expect(new Set(spans().map((span) => span.spanContext().traceId)).size).toBe(told);
  });

  it('of one transaction is told once, since its messages share a trace', () => {
    const { messages } = trace();
    messages.startStep('INSERT message', SpanKind.CLIENT, [contextOf(stored('01', 'c')), contextOf(stored('01', 'd'))], {})?.end();
    expect(spans()).toHaveLength(1);
  });

  it('of messages that are not kept has no span', () => {
    expect(trace().messages.startBatch('INSERT message', SpanKind.CLIENT, [contextOf(stored('00')), undefined], {})).toBeUndefined();
  });
});

describe('statements', () => {
  it('have spans below the work under way, by table and nothing of their values; not where they are traced by hand', async () => {
    const tracing = trace();
    const db = openDatabase({ url: 'sqlite::memory:' });
    traceStatements(db, tracing);
    await db.schema.createTable('person', (table) => table.string('name'));
    const root = tracing.messages.begin('work', SpanKind.INTERNAL);
    const under = contextUnder(root);
    await contexts.with(under, async () => void (await db('person').insert({ name: 'Secret Ann' })));
    await contexts.with(under, () => run(db, 'SELECT name FROM person WHERE name = ?', ['Secret Ann']));
    await expect(contexts.with(under, () => run(db, 'SELECT missing FROM person'))).rejects.toThrow();
    const attributes = { 'db.query.summary': 'BATCH person' };
    await contexts.with(under, () => statementsUnderSpan(tracing.messages, { attributes, of: [under] }, () => run(db, 'DELETE FROM person')));
    await run(db, 'SELECT name FROM person');
    root.end();
    await db.destroy();
    expect(names()).toEqual(['INSERT person', 'SELECT person', 'SELECT person', 'BATCH person', 'work']);
    expect(spans().map(({ status }) => status.code === 2)).toEqual([false, false, true, false, false]);
    expect(JSON.stringify(spans().map((span) => span.attributes))).not.toContain('Secret');
    for (const span of spans().slice(0, 4)) expect(span.parentSpanContext?.spanId).toBe(root.spanContext().spanId);
  });
});

describe('an exporter whose collector is away', () => {
  it('says so once, and once that it is back', () => {
    const said: string[] = [];
    const log = createLog({ service: 'test', level: 'info', format: 'json' }, { write: (line: string) => void said.push(JSON.parse(line).msg) });
    let code = 1;
    const telling = saysWhenItFails({ export: (_spans, done) => done({ code }), shutdown: async () => undefined }, log);
    for (code of [1, 1, 0, 0]) telling.export([], () => undefined);
    expect(said).toEqual(['traces cannot be sent; spans are lost', 'traces are sent again']);
  });
});
