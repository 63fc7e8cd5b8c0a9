/** Calls that may be the first that is heard of something; polls, heartbeats and batches of others' work are not. */
const FIRST_CALLS = ['saveMessageWaitingConfirm', 'saveAndSendMessage', 'directSendMessage', 'resendMessage'];

/** Fields of requests that name their messages. */
type Named = {
  messageKey?: string;
  message?: { messageKey: string };
  messageKeys?: string[];
  messages?: { messageKey: string }[];
  deliveries?: { messageKey: string }[];
  failures?: { delivery?: { messageKey: string } }[];
  outcomes?: { messageKey: string }[];
};

/** How the spans of TPC's calls come about. */
export const callTracing = {
  beginTraces: (method: string): boolean => FIRST_CALLS.includes(method),
  /** A batch of one is about that one: its trace is in one piece. */
  keyOf: (request: unknown): string | undefined => {
    const { messageKey, message, messageKeys, messages, deliveries, failures, outcomes } = request as Named;
    const items =
      messageKeys ?? (messages ?? deliveries ?? failures?.map(({ delivery }) => delivery) ?? outcomes ?? [message]).map((item) => item?.messageKey);
    return messageKey || (items.length === 1 ? items[0] : undefined);
  },
};
