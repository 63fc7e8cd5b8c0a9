import type { BatchObservableResult, Meter, ObservableGauge } from '@opentelemetry/api';
import { cachedReading } from '@tpc/core';
import type { Backlog } from '../store/store-types.ts';
import { MAX_NAMES, OTHER } from './label-limit.ts';

/**
 * Gauges of what waits in TPC's database. Every replica reads the same database, so of several replicas the largest value counts, never their sum. The
 * reading costs what is open and is kept for some seconds (cachedReading); while the database is away there are no values.
 */
export function observeBacklog(meter: Meter, readBacklog: () => Promise<Backlog>): void {
  const read = cachedReading(readBacklog);
  const gauge = (name: string, description: string, unit = '') => meter.createObservableGauge(name, { description, unit });
  const messages = gauge('tpc.messages', 'Messages that are not settled well, by topic and state.');
  const uncertain = gauge('tpc.uncertain.messages', 'Messages prepared more than a minute ago whose outcome is still unknown.');
  const uncertainAge = gauge(
    'tpc.uncertain.age',
    'Age of the oldest message whose outcome is unknown for more than a minute; 0: there is none.',
    's',
  );
  const dueAge = gauge('tpc.due.age', 'How long the oldest piece of work has been due, by state and work.', 's');
  const attention = gauge('tpc.attention.messages', 'Messages that a person should look at; every dead one is among them.');
  const unreceived = gauge('tpc.consumer_group.unreceived', 'Copies that a consumer group has not reported as received.');
  const overdue = gauge('tpc.consumer_group.due.age', 'How long the oldest copy of a consumer group has been due for a redelivery.', 's');
  const late = gauge('tpc.consumer_group.overdue', 'Copies that a consumer group has not reported though they were published long ago.');
  const consumers = gauge('tpc.consumer_group.instances', 'Live instances of a consumer group that subscribes something.');
  const deadCopies = gauge('tpc.dead.copies', "Copies of a consumer group that are dead, also while the message's other groups are at work.");
  const faults = gauge(
    'tpc.consumer_group.subscription.faults',
    'Subscriptions in which live instances of a group differ, or that none of them takes.',
  );
  const producers = gauge('tpc.producer_group.instances', 'Live instances of a producer group.');
  const all = [messages, uncertain, uncertainAge, dueAge, attention, unreceived, overdue, late, consumers, producers, deadCopies, faults];
  meter.addBatchObservableCallback(async (result) => {
    const backlog = await read();
    if (backlog === undefined) return;
    for (const { topic, state, count } of countTopics(backlog)) result.observe(messages, count, { topic, state });
    result.observe(uncertain, backlog.uncertain.old);
    result.observe(uncertainAge, backlog.uncertain.oldestMs / 1000);
    result.observe(dueAge, backlog.uncertain.oldestDueMs / 1000, { state: 'waiting_confirm', work: 'check_back' });
    result.observe(dueAge, backlog.unpublished.oldestDueMs / 1000, { state: 'sending', work: 'publish' });
    result.observe(dueAge, backlog.following.oldestDueMs / 1000, { state: 'sending', work: 'redeliver' });
    result.observe(attention, backlog.attention);
    observeGroups(result, backlog, { unreceived, overdue, late, consumers, producers, deadCopies, faults });
  }, all);
}

type GroupGauges = Record<'unreceived' | 'overdue' | 'late' | 'consumers' | 'producers' | 'deadCopies' | 'faults', ObservableGauge>;

/** The first so many groups, by the order in which they came. */
function observeGroups(result: BatchObservableResult, backlog: Backlog, gauges: GroupGauges): void {
  for (const group of backlog.consumerGroups.slice(0, MAX_NAMES)) {
    const labels = { consumer_group: group.consumerGroup };
    result.observe(gauges.unreceived, group.unreceived, labels);
    result.observe(gauges.overdue, group.oldestDueMs / 1000, labels);
    result.observe(gauges.late, group.overdue, labels);
    result.observe(gauges.deadCopies, group.dead, labels);
    result.observe(gauges.faults, group.differing.length, { ...labels, kind: 'differing' });
    result.observe(gauges.faults, group.untaken.length, { ...labels, kind: 'untaken' });
    if (group.subscribed) result.observe(gauges.consumers, group.instances, labels);
  }
  for (const { producerGroup, instances } of backlog.producerGroups.slice(0, MAX_NAMES)) {
    result.observe(gauges.producers, instances, { producer_group: producerGroup });
  }
}

const STATES = { waiting_confirm: 'waiting_confirm', unpublished: 'sending', published: 'sending', dead: 'dead' } as const;
const STATE_NAMES = ['waiting_confirm', 'sending', 'dead'] as const;

type Count = { topic: string; state: string; count: number };

/** One count for each topic and state, zeros included so that a series does not end when its messages do; the topics beyond the limit are one together. */
function countTopics({ topics }: Backlog): Count[] {
  const named = new Set([...new Set(topics.map(({ topic }) => topic))].sort().slice(0, MAX_NAMES));
  const counts = new Map<string, Record<(typeof STATE_NAMES)[number], number>>();
  for (const { topic, state, count } of topics) {
    const label = named.has(topic) ? topic : OTHER;
    const of = counts.get(label) ?? { waiting_confirm: 0, sending: 0, dead: 0 };
    counts.set(label, of);
    of[STATES[state]] += count;
  }
  return [...counts].flatMap(([topic, of]) => STATE_NAMES.map((state) => ({ topic, state, count: of[state] })));
}
