import { context as contexts, SpanKind } from '@opentelemetry/api';
import {
  checkMessageKey,
  contextOf,
  databaseAttributes,
  inSpan,
  MESSAGE_KEY,
  type MessageLimits,
  type MessageTracer,
  messageAttributes,
  messageSpanName,
  statementsUnderSpan,
  storedTraceOf,
} from '@tpc/core';
import type { Knex } from 'knex';
import { type CheckedMessage, checkMessage, InvalidMessage, type OutboxMessage } from '../domain/message.ts';
import { keyForAttempt, MAX_KEY_ATTEMPTS } from '../domain/message-key.ts';
import { newKey } from '../domain/new-key.ts';
import { OUTBOX_ROLLED_BACK } from '../domain/outbox-state.ts';
import { type TraceContext, usableTraceContext } from '../domain/trace-context.ts';
import { KeyAlreadyUsed, OutboxMisuse } from '../errors.ts';
import { insertOutboxRow, readOutboxRow } from '../store/outbox-rows.ts';
import type { TransactionGuard } from '../transaction/transaction-guard.ts';
import { type OutboxContent, sameContent } from './content-codec.ts';

/** What the work of a transaction is given to hand over messages. */
export type Outbox = {
  /**
   * Writes the message into the transaction: it goes out if, and only if, that commits.
   * @returns its key. An own key that was used before for the same content is answered again, and nothing is added; one whose earlier
   *   transaction was found rolled back by TPC goes on as `<key>.2`, `<key>.3` …
   * @throws InvalidMessage for a bad field; KeyAlreadyUsed for another content under a known key; OutboxMisuse inside a savepoint or after the
   *   end. Any failure dooms the transaction, also when the error is swallowed or nobody awaited it.
   */
  add(message: OutboxMessage): Promise<string>;
};

type OutboxParts = {
  tx: Knex.Transaction;
  guard: TransactionGuard;
  group: string;
  /** As TPC told them last. */
  limits: () => MessageLimits;
  firstWaitMs: number;
  traceContext: () => TraceContext | undefined;
  tracing: MessageTracer | undefined;
  /** The key is about to be inserted: from here on this process knows that it is open. */
  onOpening: (key: string) => void;
  /** The row stands in the transaction. */
  onAdded: (content: OutboxContent) => void;
};

/** The outbox of one open transaction. */
export class TransactionOutbox implements Outbox {
  readonly #parts: OutboxParts;
  readonly #adding = new Set<Promise<string>>();
  #closed = false;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
  }

  /** From here on nothing may be added. Resolves when every `add` that the work did not await is over; a failed one has doomed the transaction. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#adding);
  }

  add(message: OutboxMessage): Promise<string> {
    const adding = this.#add(message);
    this.#adding.add(adding);
    const over = () => this.#adding.delete(adding);
    adding.then(over, over);
    return adding;
  }

  async #add(message: OutboxMessage): Promise<string> {
    const { guard, group, traceContext } = this.#parts;
    if (this.#closed) throw this.#doomed(new OutboxMisuse('the transaction of this outbox is over'));
    if (guard.inSavepoint) {
      const why = 'outbox.add inside a savepoint or nested transaction: its rollback would drop the message and keep business rows';
      throw this.#doomed(new OutboxMisuse(why));
    }
    if (guard.doom !== undefined) throw guard.doom;
    const checked = this.#checked(message, group);
    const trace = usableTraceContext(traceContext());
    if (checked.key === undefined) return this.#insert({ ...checked, ...trace, key: newKey() });
    return this.#addOwnKey(checked, checked.key, trace);
  }

  async #addOwnKey(checked: CheckedMessage, own: string, trace: Required<TraceContext>): Promise<string> {
    for (let attempt = 1; attempt <= MAX_KEY_ATTEMPTS; attempt++) {
      const content = { ...checked, ...trace, key: keyForAttempt(own, attempt) };
      if (checkMessageKey('key', content.key, this.#parts.group).length > 0) break;
      const known = await this.#failing(content.key, () => readOutboxRow(this.#parts.tx, content.key));
      if (known === undefined) return this.#insert(content);
      if (known.state === OUTBOX_ROLLED_BACK) continue;
      // A body that was cleaned away cannot be compared: the key is the event.
      if (known.content.body.length === 0 || sameContent(known.content, content)) return content.key;
      throw this.#doomed(new KeyAlreadyUsed(content.key));
    }
    throw this.#doomed(new InvalidMessage('key', `${own} was answered as rolled back before and cannot be used again: take a new one`));
  }

  /** Here the message begins: what happens to it from now on, in whatever process, stands below this span, whose context its row holds. */
  async #insert(content: OutboxContent): Promise<string> {
    const { tracing } = this.#parts;
    if (tracing === undefined) return this.#insertRow(content);
    const span = tracing.begin(messageSpanName('create', content.topic), SpanKind.PRODUCER, contextOf(content) ?? contexts.active());
    const { key: messageKey, topic, tag } = content;
    if (span.isRecording()) span.setAttributes(messageAttributes('create', { messageKey, topic, tag }, 'create'));
    return inSpan(span, () => this.#insertRow({ ...content, ...usableTraceContext(storedTraceOf(span.spanContext())) }));
  }

  async #insertRow(content: OutboxContent): Promise<string> {
    const { tx, group, tracing, firstWaitMs } = this.#parts;
    this.#parts.onOpening(content.key);
    const attributes = tracing && { ...databaseAttributes(tx, 'INSERT', 'tpc_outbox'), [MESSAGE_KEY]: content.key };
    const insert = () => insertOutboxRow(tx, group, content, firstWaitMs);
    await this.#failing(content.key, () => (attributes ? statementsUnderSpan(tracing, { attributes, of: [contexts.active()] }, insert) : insert()));
    this.#parts.onAdded(content);
    return content.key;
  }

  /** A statement of the outbox that fails dooms the transaction: business rows would commit without their message. */
  async #failing<T>(key: string, statement: () => Promise<T>): Promise<T> {
    try {
      return await statement();
    } catch (cause) {
      throw this.#parts.guard.doomBy(`the outbox row of ${key} could not be written`, cause);
    }
  }

  #checked(message: OutboxMessage, group: string): CheckedMessage {
    try {
      return checkMessage(message, group, this.#parts.limits());
    } catch (error) {
      throw this.#doomed(error as Error);
    }
  }

  #doomed<E extends Error>(error: E): E {
    this.#parts.guard.doomBy(error.message);
    return error;
  }
}
