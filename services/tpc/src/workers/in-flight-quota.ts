import type { Lease } from '../flows/leases.ts';
import type { PublishOrder } from '../flows/publish-order.ts';
import type { Publishing } from '../flows/publishing.ts';

/**
 * A duty's share of publishing: hands claimed messages over and counts only its own that are not done. What others have under way does not count: under
 * steady load there is always some, and due messages must not wait for its end.
 */
export type InFlightQuota = {
  /** Whether there is room for another claim: the broker answers, and less than `most` of this duty's messages are under way. */
  hasRoom(): boolean;
  publish(claim: Lease, items: readonly PublishOrder[]): void;
};

/** @param most messages of this duty that may be under way before it claims no more */
export function createInFlightQuota(publishing: Pick<Publishing, 'publish' | 'connected'>, most: number): InFlightQuota {
  let underway = 0;
  return {
    hasRoom: () => publishing.connected() && underway < most,
    publish: (claim, items) => {
      underway += items.length;
      const repeated = items.map((item) => ({ ...item, repeats: true }));
      void publishing.publish(claim, repeated).then(() => {
        underway -= items.length;
      });
    },
  };
}
