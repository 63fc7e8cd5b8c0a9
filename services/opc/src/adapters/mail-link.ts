import type { Log } from '@tpc/platform';
import { type HoldOutcome, type HoldPolicy, MailHold } from '../domain/mail-hold.ts';

/** The link to the mail server as the last mail or check found it. */
export type MailLinkState = {
  /** Undefined: nothing was tried yet. */
  connected: boolean | undefined;
  /** Why it is not connected, otherwise empty. */
  error: string;
  /** When `connected` last changed, milliseconds of the process's wall clock. */
  since: number;
  /** Why the server takes no mail from us, whatever the mail; empty while it does. */
  refusal: string;
};

export type MailLink = {
  /** Whether a mail may go now; where not, when it may, and why. */
  admit(): { done: () => void } | { waitMs: number; reason: string };
  /** A check, or an answer about a single mail, has found the server there. */
  reachable(): void;
  /** A check has not found it. */
  unreachable(reason: string): void;
  /** The server has taken a mail. */
  taken(): void;
  /** A mail failed for a reason that would stop every mail. @param atConnection before any word about the mail */
  failed(atConnection: boolean, reason: string): HoldOutcome;
  state(): MailLinkState;
  /** Tells each time that mails begin to go out, or go out again. */
  onOpen(listener: () => void): void;
};

/** Keeps the state of the link and the hold of mails, and logs each change once. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a factory around shared state; each function in it is short
export function createMailLink(log: Log, policy: HoldPolicy): MailLink {
  const hold = new MailHold(policy);
  const listeners: (() => void)[] = [];
  let state: MailLinkState = { connected: undefined, error: '', since: Date.now(), refusal: '' };
  let open = false;
  const connection = (connected: boolean, error: string) => {
    const changed = state.connected !== connected;
    state = { ...state, connected, error, since: changed ? Date.now() : state.since };
    if (changed && connected) log.info({}, 'the mail server is there');
    if (changed && !connected) log.warn({ reason: error }, 'the mail server cannot be had; mails wait');
  };
  const refuse = (refusal: string) => {
    const changed = (state.refusal === '') !== (refusal === '');
    state = { ...state, refusal };
    if (changed && refusal !== '') log.warn({ reason: refusal }, 'the mail server takes no mail from us; mails wait until it does');
    if (changed && refusal === '') log.info({}, 'the mail server takes our mails again');
  };
  /** After every change: what was refused is over with the hold, and whoever waits for the opening hears of it. */
  const settle = () => {
    if (!hold.holds) refuse('');
    const wasOpen = open;
    open = state.connected === true && !hold.holds;
    if (open && !wasOpen) for (const listener of listeners) listener();
  };
  return {
    admit: () => {
      const admission = hold.admit(performance.now());
      return 'done' in admission ? admission : { ...admission, reason: state.refusal || state.error };
    },
    reachable: () => {
      hold.reachable();
      connection(true, '');
      settle();
    },
    unreachable: (reason) => {
      connection(false, reason);
      settle();
    },
    taken: () => {
      hold.taken();
      connection(true, '');
      settle();
    },
    failed: (atConnection, reason) => {
      const outcome = hold.failed(atConnection, performance.now(), Math.random());
      if (atConnection) connection(false, reason);
      else {
        connection(true, '');
        refuse(reason);
      }
      settle();
      return outcome;
    },
    state: () => state,
    onOpen: (listener) => void listeners.push(listener),
  };
}
