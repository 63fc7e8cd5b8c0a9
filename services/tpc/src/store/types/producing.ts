/** What producers write, and what comes of it. */
import type { InvalidContent } from '../../domain/invalid-content.ts';
import type { Refusal } from '../../domain/reasons.ts';
import type { MessageState, Verdict } from '../../domain/states.ts';

/** What a producer hands over, checked and with defaults filled in ('' for absent strings). */
export type MessageContent = {
  topic: string;
  tag: string;
  body: Buffer;
  contentType: string;
  headers: Readonly<Record<string, string>>;
  traceparent: string;
  tracestate: string;
};

export type SaveItem = { producerGroup: string; storeId: string; messageKey: string; content: MessageContent };

/** State of the message after the call, or which rule refused it. */
export type StateResult = { state: MessageState } | Refusal;

export type ConfirmItem = {
  producerGroup: string;
  messageKey: string;
  /** Content that the caller still has in memory (from the save); it is then not read back. */
  content?: MessageContent | undefined;
};

export type SaveAndSendItem = SaveItem & {
  /** True: the business has committed; never refused. False: refused like a save. */
  committed: boolean;
  /** The message breaks the rules of contents: unless it is known already, it is kept DEAD (CONTENT_INVALID). */
  invalid?: InvalidContent;
};

export type SaveAndSendResult =
  | {
      state: MessageState;
      /** The key under which it is stored (see KEY_CONFLICT). */
      storedKey: string;
      /** Why it is DEAD, else ''. */
      reason: string;
    }
  | Refusal;

export type DeleteItem = { producerGroup: string; messageKey: string };

export type VerdictItem = { producerGroup: string; storeId: string; messageKey: string; verdict: Verdict };

export type UncertainMessage = {
  messageKey: string;
  topic: string;
  checkCount: number;
  createdAt: number;
  traceparent: string;
  tracestate: string;
};
