import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jaegerProgram } from './install.ts';
import type { StackPart } from './part.ts';
import { HOST, type StackSettings, stateFolder } from './settings.ts';

/** Traces that are kept, in memory: a restart forgets them. */
const MAX_TRACES = 50_000;

/** Jaeger: takes spans, and answers who asks for them by message key. */
export function jaegerPart(settings: StackSettings): StackPart {
  const folder = stateFolder(settings, 'jaeger');
  const { STACK_OTLP_PORT: otlpPort, STACK_JAEGER_PORT: queryPort } = settings;
  return {
    name: 'jaeger',
    title: 'Jaeger',
    ports: [
      { port: queryPort, setting: 'STACK_JAEGER_PORT' },
      { port: queryPort + 1, setting: 'STACK_JAEGER_PORT' },
      { port: otlpPort, setting: 'STACK_OTLP_PORT' },
    ],
    after: [],
    stopWithinMs: 5_000,
    async command() {
      mkdirSync(folder, { recursive: true });
      const file = join(folder, 'jaeger.yaml');
      // JSON is YAML.
      writeFileSync(file, JSON.stringify(configuration(queryPort, otlpPort), null, 2));
      return { file: jaegerProgram(), args: ['--config', file], cwd: folder };
    },
    async probe() {
      const answer = await fetch(`http://${HOST}:${queryPort}/api/services`, { signal: AbortSignal.timeout(2_000) });
      if (!answer.ok) throw new Error(`its query API answers ${answer.status}`);
    },
  };
}

function configuration(queryPort: number, otlpPort: number): object {
  return {
    service: {
      extensions: ['jaeger_storage', 'jaeger_query'],
      pipelines: { traces: { receivers: ['otlp'], processors: ['batch'], exporters: ['jaeger_storage_exporter'] } },
      telemetry: { metrics: { level: 'none' }, logs: { level: 'warn' } },
    },
    extensions: {
      jaeger_storage: { backends: { memory: { memory: { max_traces: MAX_TRACES } } } },
      jaeger_query: {
        storage: { traces: 'memory' },
        http: { endpoint: `${HOST}:${queryPort}` },
        grpc: { endpoint: `${HOST}:${queryPort + 1}` },
      },
    },
    receivers: { otlp: { protocols: { grpc: { endpoint: `${HOST}:${otlpPort}` } } } },
    processors: { batch: { timeout: '200ms' } },
    exporters: { jaeger_storage_exporter: { trace_storage: 'memory' } },
  };
}
