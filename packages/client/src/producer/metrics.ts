import type { BatchObservableResult, MeterProvider } from '@opentelemetry/api';
import { cachedReading } from '@tpc/core';
import { meterOf } from '../metrics/meter.ts';
import type { ProducerEvent, ProducerState } from './events.ts';
import type { OutboxBacklog } from './store/read-backlog.ts';

export type ProducerMetrics = {
  note(event: ProducerEvent): void;
  /** Reads gauges at each scrape, until it is ended by the function that it answers with. */
  observe(state: () => ProducerState, readBacklog: () => Promise<OutboxBacklog>): () => void;
};

/** The producer's instruments (docs/observability.md lists them). Labels: the group, topics, outcomes; never keys. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: the list of instruments, and what each event counts
export function createProducerMetrics(provider: MeterProvider | undefined, producerGroup: string): ProducerMetrics {
  const meter = meterOf(provider);
  const group = { producer_group: producerGroup };
  const counter = (name: string, description: string) => meter.createCounter(`tpc.producer.${name}`, { description });
  const gauge = (name: string, description: string, unit = '') => meter.createObservableGauge(`tpc.producer.${name}`, { description, unit });
  const transactions = counter('transactions', 'Business transactions, by outcome.');
  const prepares = counter('prepares', 'Messages prepared at TPC before their COMMIT, by outcome.');
  const confirms = counter('confirms', 'Commits told to TPC, by outcome and way.');
  const verdicts = counter('verdicts', "Answers to TPC's check-backs, by verdict.");
  const dead = counter('dead', 'Messages that TPC stored as dead, by reason.');
  const online = gauge('online', '1 while TPC is asked; 0 while transactions commit with their outbox row alone.');
  const registered = gauge('registered', '1 when TPC knows this instance.');
  const open = gauge('open_transactions', 'Business transactions that are open now.');
  const pending = gauge('pending_confirms', 'Confirms, deletes and acknowledgements under way.');
  const outbox = gauge('outbox.unacknowledged', 'Rows of the outbox whose commit TPC has not acknowledged.');
  const overdue = gauge('outbox.due.age', 'How long the oldest of them has been due for the sweeper.', 's');
  const all = [online, registered, open, pending, outbox, overdue];
  return {
    note(event) {
      switch (event.type) {
        case 'transaction':
          return transactions.add(1, { ...group, outcome: event.outcome });
        case 'prepare':
          return prepares.add(1, { ...group, topic: event.topic, outcome: event.outcome });
        case 'confirm':
          return confirms.add(1, { ...group, outcome: event.outcome, via: event.via });
        case 'verdict':
          return verdicts.add(1, { ...group, verdict: event.verdict.toLowerCase() });
        case 'dead':
          return dead.add(1, { ...group, reason: event.reason });
      }
    },
    observe(state, readBacklog) {
      const read = cachedReading(readBacklog);
      const callback = async (result: BatchObservableResult) => {
        const { mode, registered: known, openTransactions, pendingConfirms } = state();
        result.observe(online, mode === 'online' ? 1 : 0, group);
        result.observe(registered, known ? 1 : 0, group);
        result.observe(open, openTransactions, group);
        result.observe(pending, pendingConfirms, group);
        const backlog = await read();
        if (backlog === undefined) return;
        result.observe(outbox, backlog.unacknowledged, group);
        result.observe(overdue, backlog.oldestDueMs / 1000, group);
      };
      meter.addBatchObservableCallback(callback, all);
      return () => meter.removeBatchObservableCallback(callback, all);
    },
  };
}
