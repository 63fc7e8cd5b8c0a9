import type { Log } from '@tpc/platform';

/** The link to the mail server as the last mail or check found it. */
export type MailLinkState = {
  /** Undefined: nothing was tried yet. */
  connected: boolean | undefined;
  /** Why it is not connected, otherwise empty. */
  error: string;
  /** When `connected` last changed, milliseconds of the process's wall clock. */
  since: number;
  /** Why the server refuses us, whatever the mail; empty while it does not. */
  refusal: string;
};

export type MailLink = {
  /** The server can be had. */
  up(): void;
  /** The server has taken a mail, so it does not refuse us. */
  taken(): void;
  /** The server can be had and refuses us. Only a mail that it takes proves that this is over: a check sends none. */
  refused(reason: string): void;
  /** The server cannot be had. */
  down(reason: string): void;
  state(): MailLinkState;
};

/** Remembers the link's state, and logs it once when it changes. */
export function createMailLink(log: Log): MailLink {
  let state: MailLinkState = { connected: undefined, error: '', since: Date.now(), refusal: '' };
  const change = (connected: boolean, error: string) => {
    const changed = state.connected !== connected;
    state = { ...state, connected, error, since: changed ? Date.now() : state.since };
    return changed;
  };
  const refuse = (refusal: string) => {
    const changed = (state.refusal === '') !== (refusal === '');
    state = { ...state, refusal };
    return changed;
  };
  const up = () => {
    if (change(true, '')) log.info({}, 'the mail server is there');
  };
  return {
    up,
    taken: () => {
      up();
      if (refuse('')) log.info({}, 'the mail server takes our mails again');
    },
    refused: (reason) => {
      up();
      if (refuse(reason)) log.warn({ reason }, 'the mail server refuses us; mails wait until it takes them');
    },
    down: (error) => {
      if (change(false, error)) log.warn({ reason: error }, 'the mail server cannot be had; mails wait');
    },
    state: () => state,
  };
}
