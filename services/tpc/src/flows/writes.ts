import type { Context } from '@opentelemetry/api';
import type { StoredTrace } from '@tpc/core';
import type { Refusal } from '../domain/reasons.ts';
import type {
  ConfirmItem,
  DeleteItem,
  Mark,
  MarkResult,
  SaveAndSendItem,
  SaveAndSendResult,
  SaveItem,
  StateResult,
  VerdictItem,
} from '../store/store-types.ts';

/** A write with the trace that it is part of. */
export type Traced<T> = T & {
  /** Context of the call that asks for it; absent or empty: that of the message, where the write holds it. */
  call?: StoredTrace | undefined;
  /** Its own span, made here. */
  trace?: Context | undefined;
};

/**
 * Every write of the calls, naturally batched: one flush of a kind at most is under way; what comes meanwhile leaves together in the next one. The
 * calls for one message and for many put their items into the same batches, so that a batch call gains nothing over many single ones but the round trip.
 *
 * `deadline` is on the clock of `performance.now()`; an item whose deadline has passed is dropped before its flush (BatchDeadlineExceeded).
 * A full queue refuses (BatcherFull). Errors of the database come through as they are.
 */
export interface Writes {
  save(item: Traced<SaveItem>, deadline: number): Promise<StateResult>;
  confirm(item: Traced<ConfirmItem>, deadline: number): Promise<StateResult>;
  saveAndSend(item: Traced<SaveAndSendItem>, deadline: number): Promise<SaveAndSendResult>;
  delete(item: Traced<DeleteItem>, deadline: number): Promise<StateResult>;
  verdict(item: Traced<VerdictItem>, deadline: number): Promise<StateResult>;
  mark(item: Traced<Mark>, deadline: number): Promise<MarkResult | Refusal>;
  /** Resolves when nothing waits and nothing is under way. */
  drain(): Promise<void>;
}
