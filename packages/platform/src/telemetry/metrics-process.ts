import { cpuUsage, memoryUsage, uptime } from 'node:process';
import type { Meter, MeterProvider } from '@opentelemetry/api';
import { RuntimeNodeInstrumentation } from '@opentelemetry/instrumentation-runtime-node';

const MICROS_PER_SECOND = 1e6;

/**
 * Event-loop delay and utilization, garbage collection, heap (all by OpenTelemetry's own instrumentation), CPU time, memory and age of the process,
 * by the names of OpenTelemetry's conventions.
 * @returns ends it
 */
export function observeProcess(provider: MeterProvider): () => void {
  const runtime = new RuntimeNodeInstrumentation();
  runtime.setMeterProvider(provider);
  observeOwn(provider.getMeter('process'));
  return () => runtime.disable();
}

function observeOwn(meter: Meter): void {
  meter.createObservableCounter('process.cpu.time', { unit: 's', description: 'CPU time used by the process.' }).addCallback((result) => {
    const { user, system } = cpuUsage();
    result.observe(user / MICROS_PER_SECOND, { mode: 'user' });
    result.observe(system / MICROS_PER_SECOND, { mode: 'system' });
  });
  meter
    .createObservableGauge('process.memory.usage', { unit: 'By', description: 'Resident memory of the process.' })
    .addCallback((result) => result.observe(memoryUsage.rss()));
  meter
    .createObservableGauge('process.uptime', { unit: 's', description: 'Time since the process started.' })
    .addCallback((result) => result.observe(uptime()));
}
