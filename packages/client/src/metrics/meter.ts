import { type Meter, type MeterProvider, metrics } from '@opentelemetry/api';

/** Upper bounds of latencies, seconds. */
export const LATENCY_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** The library's meter: of the provider that was given, else of the one that is registered with OpenTelemetry, else one that does nothing. */
export function meterOf(provider: MeterProvider | undefined): Meter {
  return (provider ?? metrics).getMeter('@tpc/client');
}
