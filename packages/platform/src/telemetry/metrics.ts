import type { Server } from 'node:http';
import { createNoopMeter, type Meter, type MeterProvider as MeterProviderApi } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AggregationTemporality, InstrumentType, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { harmlessMeter } from '@tpc/core';
import type { Running } from '../host/lifecycle.ts';
import type { Log } from '../log/log.ts';
import { listenForScrapes } from './metrics-endpoint.ts';
import { observeProcess } from './metrics-process.ts';

/**
 * Most series of one instrument; what comes beyond them is counted together under `otel_metric_overflow`. Labels hold names that people choose (topics,
 * groups, reasons), never ids, so this is far away; it keeps a careless producer from filling Prometheus.
 */
export const MAX_SERIES = 500;

export interface Metrics extends Running {
  /** Where a service's parts make their instruments; does nothing when no port is set. */
  readonly meter: Meter;
  /** The same for libraries that make meters of their own; undefined when no port is set. */
  readonly provider: MeterProviderApi | undefined;
  /** Where Prometheus may ask; undefined when no port is set. */
  readonly port: number | undefined;
}

export type MetricsOptions = {
  /** The service's name, as in its log. */
  service: string;
  host: string;
  /** 0: the system chooses. Undefined: no endpoint, and nothing is recorded. */
  port: number | undefined;
  /** Name of the port's setting, for the error line when it is taken. */
  portSetting: string;
  log: Log;
};

/**
 * Opens a service's metrics: a meter of its own (several services may share a process), and `GET /metrics` for Prometheus.
 * @throws StartError naming the setting when the port cannot be had
 */
export async function startMetrics(options: MetricsOptions): Promise<Metrics> {
  if (options.port === undefined) return { meter: createNoopMeter(), provider: undefined, port: undefined, stop: async () => {} };
  const reader = new ScrapeReader();
  const provider = new MeterProvider({
    resource: resourceFromAttributes({ 'service.name': options.service }),
    readers: [reader],
    views: [{ instrumentName: '*', aggregationCardinalityLimit: MAX_SERIES }],
  });
  const stopObserving = observeProcess(provider);
  let server: Server | undefined;
  const stop = async () => {
    stopObserving();
    server?.closeAllConnections();
    server?.close();
    await provider.shutdown();
  };
  try {
    server = await listenForScrapes({ ...options, port: options.port, reader });
  } catch (error) {
    await stop();
    throw error;
  }
  const { port } = server.address() as { port: number };
  options.log.debug({ host: options.host, port }, 'metrics listen');
  return { meter: harmlessMeter(provider.getMeter('tpc')), provider, port, stop };
}

/**
 * Collects when it is asked. A gauge is what was observed just now: what cannot be read any more (the database is away, a part was stopped) is gone,
 * where a cumulative reader would repeat the last value for ever.
 */
class ScrapeReader extends MetricReader {
  constructor() {
    super({
      aggregationTemporalitySelector: (type) =>
        type === InstrumentType.OBSERVABLE_GAUGE ? AggregationTemporality.DELTA : AggregationTemporality.CUMULATIVE,
    });
  }

  protected override async onForceFlush(): Promise<void> {
    // Nothing waits to be sent.
  }

  protected override async onShutdown(): Promise<void> {
    // Nothing is open.
  }
}
