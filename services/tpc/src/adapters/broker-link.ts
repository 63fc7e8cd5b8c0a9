import type { BrokerPublisher } from '@tpc/broker';
import type { Log, Running } from '@tpc/platform';

/** How often the link to the broker is looked at, milliseconds; this costs no request. */
export const LINK_LOOK_MS = 100;

/**
 * Watches the publisher's link to the broker: tells at start and at each change whether it is connected, for the health entry and for the duties that
 * wait for the broker's return.
 */
export function watchBrokerLink(options: { broker: Pick<BrokerPublisher, 'state'>; log: Log; onChange: (connected: boolean) => void }): Running {
  let known: boolean | undefined;
  const look = () => {
    const { connected, error } = options.broker.state();
    if (connected === known) return;
    if (connected) options.log.info('broker connected');
    else options.log.warn({ error }, 'broker not connected; messages are kept and published at its return');
    known = connected;
    options.onChange(connected);
  };
  look();
  const timer = setInterval(look, LINK_LOOK_MS);
  return {
    stop: async () => clearInterval(timer),
  };
}
