import type { BrokerPublisher } from '@tpc/broker';
import type { Log, Running } from '@tpc/platform';

/** How often the link to the broker is looked at, milliseconds; this costs no request. */
const LINK_LOOK_MS = 100;
/** How long the broker may be away at start before that is worth a warning, milliseconds. The publisher logs later losses itself. */
export const FIRST_LINK_MS = 3_000;

/**
 * Watches the publisher's link to the broker: tells at start and at each change whether it is connected, for the health entry and for the duties that
 * wait for the broker's return.
 */
export function watchBrokerLink(options: { broker: Pick<BrokerPublisher, 'state'>; log: Log; onChange: (connected: boolean) => void }): Running {
  let known: boolean | undefined;
  const look = () => {
    const { connected } = options.broker.state();
    if (connected === known) return;
    known = connected;
    options.onChange(connected);
  };
  look();
  const timer = setInterval(look, LINK_LOOK_MS);
  const grace = setTimeout(() => {
    const { connected, error } = options.broker.state();
    if (!connected) options.log.warn({ error }, 'broker not reached; messages are kept and published once it is there');
  }, FIRST_LINK_MS);
  return {
    stop: async () => {
      clearInterval(timer);
      clearTimeout(grace);
    },
  };
}
