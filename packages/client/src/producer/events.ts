/** How TPC came to know of a commit. */
export type Via = 'confirm' | 'save_and_send' | 'sweep' | 'check_back';

/** What happened, for metrics. No event carries a body. */
export type ProducerEvent =
  /** Prepare was answered, refused, or not answered within the budget. */
  | { type: 'prepare'; outcome: 'prepared' | 'refused' | 'missed' | 'skipped'; topic: string }
  | { type: 'transaction'; outcome: 'committed' | 'rolled_back' | 'outcome_unknown'; messages: number }
  /** A commit was told to TPC: by confirm, by sending whole after COMMIT, or by the sweeper. */
  | { type: 'confirm'; outcome: 'acknowledged' | 'failed'; via: Via; messageKey: string }
  /** TPC stored the message as DEAD, with its reason. */
  | { type: 'dead'; messageKey: string; reason: string }
  | { type: 'verdict'; verdict: 'COMMITTED' | 'ROLLED_BACK' | 'IN_PROGRESS'; messageKey: string }
  | { type: 'mode'; mode: 'online' | 'outbox_only' };
