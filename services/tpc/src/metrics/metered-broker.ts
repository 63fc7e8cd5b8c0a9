import type { BrokerPublisher, OutgoingBrokerMessage, PublishOutcome } from '@tpc/broker';
import { decodeDeliveryProperties } from '@tpc/core';
import type { TpcMetrics } from './tpc-metrics.ts';

/** The way to the broker, with what it answers noted once a request. */
export function meteredBroker(broker: BrokerPublisher, metrics: TpcMetrics): BrokerPublisher {
  return {
    start: () => broker.start(),
    state: () => broker.state(),
    stop: (deadlineMs) => broker.stop(deadlineMs),
    publish: async (messages) => {
      const began = performance.now();
      const outcomes = await broker.publish(messages);
      metrics.notePublishRequest(messages.length, performance.now() - began);
      note(metrics, messages, outcomes);
      return outcomes;
    },
  };
}

function note(metrics: TpcMetrics, messages: readonly OutgoingBrokerMessage[], outcomes: readonly PublishOutcome[]): void {
  const byTopic = new Map<string, { published: number; retry: number; refused: number }>();
  const again = new Map<string, number>();
  messages.forEach((message, index) => {
    const counts = byTopic.get(message.topic) ?? { published: 0, retry: 0, refused: 0 };
    byTopic.set(message.topic, counts);
    const outcome = outcomes[index];
    counts[outcome?.ok ? 'published' : outcome?.permanent ? 'refused' : 'retry']++;
    const group = outcome?.ok ? decodeDeliveryProperties(message.properties)?.onlyGroup : undefined;
    if (group !== undefined) again.set(group, (again.get(group) ?? 0) + 1);
  });
  for (const [topic, counts] of byTopic) {
    for (const [outcome, count] of Object.entries(counts)) if (count > 0) metrics.notePublish(topic, outcome, count);
  }
  for (const [group, count] of again) metrics.noteRedelivery(group, count);
}
