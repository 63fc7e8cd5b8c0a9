import type { Settings } from '../defaults.ts';
import type { SubscriptionFaults } from '../types.ts';

export const NO_FAULTS: SubscriptionFaults = { differing: [], untaken: [] };

/** Keeps what TPC finds wrong with the subscriptions of the group, and says each change once. */
export class NotedFaults {
  readonly #settings: Pick<Settings, 'log' | 'group'>;
  #current = NO_FAULTS;

  constructor(settings: Pick<Settings, 'log' | 'group'>) {
    this.#settings = settings;
  }

  get current(): SubscriptionFaults {
    return this.#current;
  }

  note(faults: SubscriptionFaults): void {
    const before = this.#current;
    this.#current = faults;
    if (JSON.stringify(before) === JSON.stringify(faults)) return;
    const { log, group } = this.#settings;
    const fields = { consumer_group: group, ...faults };
    if (faults.differing.length > 0)
      log.warn(fields, 'instances of this consumer group take different tags of a topic: the broker loses messages to those that lack the tag');
    else if (faults.untaken.length > 0)
      log.warn(fields, 'no live instance of this consumer group takes what the group subscribes: its messages wait');
    else log.info(fields, 'the instances of this consumer group take the same tags, and all that the group subscribes');
  }
}
