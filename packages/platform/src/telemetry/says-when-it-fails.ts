import type { SpanExporter } from '@opentelemetry/sdk-trace';
import type { Log } from '../log/log.ts';

/** 0 is success (ExportResultCode of OpenTelemetry). */
const SUCCESS = 0;

/** An exporter that says once when spans are lost, and once when they arrive again. Lost spans cost nothing else. */
export function saysWhenItFails(exporter: SpanExporter, log: Log): SpanExporter {
  let failing = false;
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        if (result.code !== SUCCESS && !failing) log.warn({ error: result.error?.message }, 'traces cannot be sent; spans are lost');
        if (result.code === SUCCESS && failing) log.info({}, 'traces are sent again');
        failing = result.code !== SUCCESS;
        done(result);
      }),
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => exporter.forceFlush?.(),
  };
}
