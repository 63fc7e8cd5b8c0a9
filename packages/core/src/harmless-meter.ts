import { createNoopMeter, type Meter } from '@opentelemetry/api';

const NOOP = createNoopMeter();

/**
 * The same meter, but what it or its instruments throw is dropped: metrics are somebody else's code, and never stop a message or end a process. Callbacks
 * of observable instruments are called by the meter, which keeps what they throw to itself.
 */
export function harmlessMeter(meter: Meter): Meter {
  return {
    createCounter: (...given) => adding(tried(() => meter.createCounter(...given)) ?? NOOP.createCounter(...given)),
    createUpDownCounter: (...given) => adding(tried(() => meter.createUpDownCounter(...given)) ?? NOOP.createUpDownCounter(...given)),
    createHistogram: (...given) => recording(tried(() => meter.createHistogram(...given)) ?? NOOP.createHistogram(...given)),
    createGauge: (...given) => recording(tried(() => meter.createGauge(...given)) ?? NOOP.createGauge(...given)),
    createObservableGauge: (...given) => tried(() => meter.createObservableGauge(...given)) ?? NOOP.createObservableGauge(...given),
    createObservableCounter: (...given) => tried(() => meter.createObservableCounter(...given)) ?? NOOP.createObservableCounter(...given),
    createObservableUpDownCounter: (...given) =>
      tried(() => meter.createObservableUpDownCounter(...given)) ?? NOOP.createObservableUpDownCounter(...given),
    addBatchObservableCallback: (...given) => tried(() => meter.addBatchObservableCallback(...given)),
    removeBatchObservableCallback: (...given) => tried(() => meter.removeBatchObservableCallback(...given)),
  };
}

function adding<T extends unknown[]>(instrument: { add(...given: T): void }): { add(...given: T): void } {
  return { add: (...given) => void tried(() => instrument.add(...given)) };
}

function recording<T extends unknown[]>(instrument: { record(...given: T): void }): { record(...given: T): void } {
  return { record: (...given) => void tried(() => instrument.record(...given)) };
}

function tried<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
