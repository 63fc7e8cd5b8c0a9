import type { Store } from '../store/store.ts';
import type { VerdictItem } from '../store/store-types.ts';
import { type Operation, type TpcMetrics, VERDICT_NAMES } from './tpc-metrics.ts';

type Result = object;

/** The store, with its writes and claims noted: a call is a batch, so this is done once a batch. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: one short function for each call of the store
export function meteredStore(store: Store, metrics: TpcMetrics): Store {
  const batch = async <T>(operation: Operation, size: number, call: () => Promise<T>, resultsOf: (answer: T) => readonly Result[]): Promise<T> => {
    const began = performance.now();
    try {
      const answer = await call();
      metrics.noteBatch(operation, size, performance.now() - began, outcomesOf(resultsOf(answer)));
      return answer;
    } catch (error) {
      metrics.noteBatchFailure(operation);
      throw error;
    }
  };
  const claim = async <T>(work: string, call: () => Promise<T>, countOf: (answer: T) => number): Promise<T> => {
    const began = performance.now();
    const answer = await call();
    metrics.noteClaim(work, countOf(answer), performance.now() - began);
    return answer;
  };
  const itself = <R extends Result>(results: readonly R[]) => results;
  const itsResults = <R extends Result>({ results }: { results: readonly R[] }) => results;
  return {
    ...store,
    saveMessages: (items) => batch('save', items.length, () => store.saveMessages(items), itself),
    confirmMessages: (items, by) => batch('confirm', items.length, () => store.confirmMessages(items, by), itsResults),
    saveAndSendMessages: (items, by, until) => batch('save_and_send', items.length, () => store.saveAndSendMessages(items, by, until), itsResults),
    deleteMessages: (items) => batch('delete', items.length, () => store.deleteMessages(items), itself),
    applyVerdicts: async (items, by) => {
      const answer = await batch('verdict', items.length, () => store.applyVerdicts(items, by), itsResults);
      metrics.noteVerdicts(countBy(items, ({ verdict }: VerdictItem) => VERDICT_NAMES[verdict]));
      return answer;
    },
    markDeliveries: (marks) => batch('report', marks.length, () => store.markDeliveries(marks), itself),
    claimUncertain: (owner, limit) =>
      claim(
        'check_back',
        () => store.claimUncertain(owner, limit),
        (found) => found.length,
      ),
    claimDueToPublish: (limit, by) =>
      claim(
        'publish',
        () => store.claimDueToPublish(limit, by),
        (found) => found.length,
      ),
    claimDueRedeliveries: (limit, by) =>
      claim(
        'redeliver',
        () => store.claimDueRedeliveries(limit, by),
        ({ items }) => items.length,
      ),
    markOverdue: (limit) =>
      claim(
        'overdue',
        () => store.markOverdue(limit),
        ({ overdue }) => overdue,
      ),
    resumeUnsubscribed: (limit) =>
      claim(
        'resume',
        () => store.resumeUnsubscribed(limit),
        (resumed) => resumed,
      ),
  };
}

function outcomesOf(results: readonly Result[]): Map<string, number> {
  return countBy(results, (result) => ('refused' in result ? String(result.refused) : 'ok'));
}

function countBy<T>(items: readonly T[], nameOf: (item: T) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) {
    const name = nameOf(item);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}
