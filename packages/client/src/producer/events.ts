/** Whether TPC answers the producer. */
export type Mode = 'online' | 'outbox_only';

export type ProducerState = {
  /** outbox_only while TPC does not answer: transactions commit with their outbox row alone, and the sweeper delivers later. */
  mode: Mode;
  /** TPC knows this instance. */
  registered: boolean;
  openTransactions: number;
  /** Keys of open transactions. */
  openKeys: number;
  /** Confirms, deletes and acknowledgements under way. */
  pendingConfirms: number;
  /** Empty before the database was read. */
  storeId: string;
};

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
  | { type: 'mode'; mode: Mode };
