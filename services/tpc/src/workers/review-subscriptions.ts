import type { Log } from '@tpc/platform';
import type { Store } from '../store/store.ts';
import { createWorker, type PassCounts, type Worker } from './worker.ts';

/**
 * Looks whether the instances of each consumer group take the same, and all that the group subscribes. RocketMQ wants that of a group: it gives a message to
 * any instance, and one whose filter lacks the tag drops it for the group. What is wrong is said once, and once more when it has ended.
 */
export type ReviewCounts = PassCounts & {
  /** Groups of which something else is wrong than at the last look, or nothing any more. */
  changed: number;
};

export type ReviewOptions = {
  store: Pick<Store, 'reviewSubscriptions'>;
  /** Called when copies were made due, so that they are looked at soon. */
  onDue: () => void;
  log: Log;
  config: {
    /** Pause between two looks, milliseconds. */
    pollMs: number;
  };
};

/** Most subscriptions of each kind in one line of the log. */
const MAX_LOGGED = 20;

/** @throws RangeError when a setting is not positive */
export function createReviewWorker({ store, onDue, log, config }: ReviewOptions): Worker<ReviewCounts> {
  const pass = async (): Promise<ReviewCounts> => {
    const reviews = await store.reviewSubscriptions();
    for (const { consumerGroup, differing, untaken, due } of reviews) {
      const fields = { consumer_group: consumerGroup, differing: differing.slice(0, MAX_LOGGED), untaken: untaken.slice(0, MAX_LOGGED) };
      if (differing.length > 0)
        log.warn(fields, 'instances of the consumer group take different tags of a topic: the broker loses messages to those that lack the tag');
      else if (untaken.length > 0) log.warn(fields, 'no live instance of the consumer group takes what the group subscribes: its messages wait');
      else log.info(fields, 'the instances of the consumer group take the same tags, and all that the group subscribes');
      if (due > 0) log.info({ consumer_group: consumerGroup, num_messages: due }, 'open messages of the consumer group are due now');
    }
    if (reviews.some(({ due }) => due > 0)) onDue();
    return { changed: reviews.length, more: false };
  };
  return createWorker({ name: 'review subscriptions', pollMs: config.pollMs, pass, log });
}
