/** What tracing costs: the same programs without it, with every trace kept, and with one in a hundred, in turns in one run. */
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { Running } from '@tpc/platform';
import { HOST } from '../tools/stack/settings.ts';

export type TracingVariant = { suffix: string; title: string; ratio: string | undefined };

export const VARIANTS: readonly TracingVariant[] = [
  { suffix: '', title: 'no tracing', ratio: undefined },
  { suffix: '-traced', title: 'every trace kept', ratio: '1' },
  { suffix: '-traced-1', title: '1 % of the traces kept', ratio: '0.01' },
];

/** Settings of the programs of a variant. */
export function tracingEnv({ ratio }: TracingVariant, endpoint: string): Record<string, string> {
  return ratio === undefined ? {} : { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, TRACE_SAMPLE_RATIO: ratio };
}

/**
 * Takes spans as a collector does and drops them: what is measured is what the services pay, who keeps traces does so elsewhere.
 * @param onExport given each request as it came, in OTLP's protobuf
 */
export async function startSpanSink(onExport: (request: Buffer) => void): Promise<Running & { endpoint: string }> {
  const server = new Server({ 'grpc.max_receive_message_length': 64 * 1024 * 1024 });
  const bare = (value: Buffer) => value;
  const path = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';
  const shared = { requestStream: false, responseStream: false, requestSerialize: bare, responseSerialize: bare } as const;
  const definition = { export: { path, ...shared, requestDeserialize: bare, responseDeserialize: bare } };
  server.addService(definition, {
    export: (call: { request: Buffer }, answer: (error: null, value: Buffer) => void) => {
      onExport(call.request);
      answer(null, Buffer.alloc(0));
    },
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`${HOST}:0`, ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))),
  );
  return { endpoint: `http://${HOST}:${port}`, stop: async () => server.forceShutdown() };
}
