import type { BatchObservableResult, MeterProvider } from '@opentelemetry/api';
import { cachedReading } from '@tpc/core';
import { LATENCY_SECONDS, meterOf } from '../../metrics/meter.ts';
import type { InboxBacklog } from '../store/read-backlog.ts';
import type { ConsumerEvent, ConsumerState } from '../types.ts';

export type ConsumerMetrics = {
  note(event: ConsumerEvent): void;
  /** Reads gauges at each scrape, until it is ended by the function that it answers with. */
  observe(state: () => ConsumerState, readBacklog: () => Promise<InboxBacklog>): () => void;
};

/** The consumer's instruments (docs/observability.md lists them). Labels: the group, subscribed topics, outcomes; never keys. */
export function createConsumerMetrics(provider: MeterProvider | undefined, consumerGroup: string): ConsumerMetrics {
  const meter = meterOf(provider);
  const group = { consumer_group: consumerGroup };
  const counter = (name: string, description: string) => meter.createCounter(`tpc.consumer.${name}`, { description });
  const gauge = (name: string, description: string, unit = '') => meter.createObservableGauge(`tpc.consumer.${name}`, { description, unit });
  const duration = (name: string, description: string) =>
    meter.createHistogram(`tpc.consumer.${name}.duration`, { unit: 's', description, advice: { explicitBucketBoundaries: LATENCY_SECONDS } });
  const arrivals = counter('arrivals', 'Messages that came from the broker, by what they were.');
  const handled = counter('handled', 'Messages that were handled, by outcome.');
  const handlerDuration = duration('handler', 'Time of one call of a handler, with its transaction.');
  const effectDuration = duration('effect', 'Time of one act outside the database, by outcome.');
  const reports = counter('reports', 'Reports to TPC, by whether it took them.');
  const connected = gauge('broker.connected', '1 while the link to the broker works.');
  const registered = gauge('registered', '1 when TPC knows this instance and can be reached.');
  const inMemory = gauge('in_memory', 'Messages in memory, waiting or being handled.');
  const handling = gauge('handling', 'Messages being handled now.');
  const backlog = gauge('inbox.backlog', 'Messages in the inbox that are not finished.');
  const overdue = gauge('inbox.due.age', 'How long the oldest of them has been due.', 's');
  const all = [connected, registered, inMemory, handling, backlog, overdue];
  return {
    note(event) {
      if (event.type === 'reported') reports.add(event.count, { ...group, outcome: event.accepted ? 'accepted' : 'failed' });
      else if (event.type === 'effect') effectDuration.record(event.elapsedMs / 1000, { ...group, topic: event.topic, outcome: event.outcome });
      else if (event.type === 'handled') {
        const labels = { ...group, topic: event.topic, outcome: event.outcome };
        handled.add(event.count, labels);
        handlerDuration.record(event.elapsedMs / 1000, labels);
      } else arrivals.add(event.count, { ...group, topic: event.topic, kind: event.type });
    },
    observe(state, readBacklog) {
      const read = cachedReading(readBacklog);
      const callback = async (result: BatchObservableResult) => {
        const now = state();
        result.observe(connected, now.broker?.connected ? 1 : 0, group);
        result.observe(registered, now.registration === 'registered' ? 1 : 0, group);
        result.observe(inMemory, now.inMemory, group);
        result.observe(handling, now.handling, group);
        const found = await read();
        if (found === undefined) return;
        result.observe(backlog, found.unfinished, group);
        result.observe(overdue, found.oldestDueMs / 1000, group);
      };
      meter.addBatchObservableCallback(callback, all);
      return () => meter.removeBatchObservableCallback(callback, all);
    },
  };
}
