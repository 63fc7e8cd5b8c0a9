import type { Settings } from '../defaults.ts';
import type { ConsumerCounters, ConsumerEvent } from '../types.ts';
import type { ConsumerMetrics } from './metrics.ts';

export type Telemetry = {
  readonly counters: ConsumerCounters;
  emit(event: ConsumerEvent): void;
};

/** Counts events and passes them on; a listener that throws costs a log line, never a message. */
export function createTelemetry(settings: Pick<Settings, 'onEvent' | 'log'>, metrics: Pick<ConsumerMetrics, 'note'>): Telemetry {
  const counters: ConsumerCounters = { stored: 0, duplicates: 0, older: 0, tombstones: 0, dropped: 0, consumed: 0, retried: 0, dead: 0, fenced: 0 };
  const arrivals = { stored: 'stored', duplicate: 'duplicates', older: 'older', tombstone: 'tombstones', dropped: 'dropped' } as const;
  const outcomes = { consumed: 'consumed', retry: 'retried', dead: 'dead', fenced: 'fenced' } as const;
  return {
    counters,
    emit(event) {
      if (event.type === 'handled') counters[outcomes[event.outcome]] += event.count;
      else if (event.type !== 'effect' && event.type !== 'reported') counters[arrivals[event.type]] += event.count;
      metrics.note(event);
      try {
        settings.onEvent(event);
      } catch (error) {
        settings.log.warn({ err: error }, 'onEvent threw');
      }
    },
  };
}
