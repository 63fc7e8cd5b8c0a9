import { type Meter, type MeterProvider, metrics } from '@opentelemetry/api';
import { harmlessMeter } from '@tpc/core';

/** Upper bounds of latencies, seconds. */
export const LATENCY_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/**
 * The library's meter: of the provider that was given, otherwise of the one that is registered with OpenTelemetry, otherwise one that does nothing. What it
 * throws is dropped.
 */
export function meterOf(provider: MeterProvider | undefined): Meter {
  return harmlessMeter((provider ?? metrics).getMeter('@tpc/client'));
}
