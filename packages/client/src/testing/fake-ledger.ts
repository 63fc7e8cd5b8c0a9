import { createHash } from 'node:crypto';
import { CancelKind, MessageState, type OutgoingMessage } from '@tpc/gen/tpc/v1/message';
import { Verdict } from '@tpc/gen/tpc/v1/reliable_message_service';
import { FakeRefusal } from './fake-refusal.ts';

/** A message as the fake keeps it. */
export type FakeMessage = {
  key: string;
  producerGroup: string;
  storeId: string;
  state: MessageState;
  cancelKind: CancelKind;
  content: OutgoingMessage;
  /** Why it is DEAD; else empty. */
  reason: string;
  /** How many times it became SENDING: more than once would be a message published twice. */
  sends: number;
};

const {
  MESSAGE_STATE_WAITING_CONFIRM: WAITING,
  MESSAGE_STATE_SENDING: SENDING,
  MESSAGE_STATE_CANCELLED: CANCELLED,
  MESSAGE_STATE_DEAD: DEAD,
} = MessageState;

/** The states of TPC's messages in memory: the rules that a producer meets, without broker and consumers. */
export class FakeLedger {
  readonly messages = new Map<string, FakeMessage>();

  save(producerGroup: string, storeId: string, content: OutgoingMessage): FakeMessage {
    const known = this.messages.get(content.messageKey);
    if (known === undefined) return this.#store(content.messageKey, producerGroup, storeId, content, WAITING);
    if (!sameContent(known.content, content)) throw new FakeRefusal('ALREADY_EXISTS', 'KEY_CONFLICT', `${known.key} is known with another content`);
    if (known.cancelKind === CancelKind.CANCEL_KIND_ROLLED_BACK) throw new FakeRefusal('FAILED_PRECONDITION', 'KEY_ROLLED_BACK');
    if (known.cancelKind === CancelKind.CANCEL_KIND_ABORTED) Object.assign(known, { state: WAITING, cancelKind: CancelKind.CANCEL_KIND_UNSPECIFIED });
    return known;
  }

  confirm(key: string): FakeMessage {
    const known = this.messages.get(key);
    if (known === undefined) throw new FakeRefusal('NOT_FOUND', 'TPC10050002', `no message ${key}`);
    if (known.cancelKind === CancelKind.CANCEL_KIND_ROLLED_BACK) throw new FakeRefusal('FAILED_PRECONDITION', 'COMMIT_AFTER_ROLLBACK');
    return this.#send(known);
  }

  saveAndSend(producerGroup: string, storeId: string, content: OutgoingMessage): FakeMessage {
    const known = this.messages.get(content.messageKey);
    if (known === undefined) return this.#send(this.#store(content.messageKey, producerGroup, storeId, content, WAITING));
    if (!sameContent(known.content, content)) {
      const key = `${content.messageKey}#${hashOf(content).slice(0, 16)}`;
      const dead = this.messages.get(key) ?? this.#store(key, producerGroup, storeId, content, DEAD);
      return Object.assign(dead, { reason: 'KEY_CONFLICT' });
    }
    if (known.cancelKind === CancelKind.CANCEL_KIND_ROLLED_BACK)
      return Object.assign(known, { state: DEAD, cancelKind: CancelKind.CANCEL_KIND_UNSPECIFIED, reason: 'COMMIT_AFTER_ROLLBACK' });
    return this.#send(known);
  }

  remove(key: string): FakeMessage {
    const known = this.messages.get(key);
    if (known === undefined) throw new FakeRefusal('NOT_FOUND', 'TPC10050003', `no message ${key}`);
    if (known.state === SENDING) throw new FakeRefusal('FAILED_PRECONDITION', 'ALREADY_SENDING');
    if (known.state === WAITING) Object.assign(known, { state: CANCELLED, cancelKind: CancelKind.CANCEL_KIND_ABORTED });
    return known;
  }

  outcome(key: string, verdict: Verdict): FakeMessage {
    const known = this.messages.get(key);
    if (known === undefined) throw new FakeRefusal('NOT_FOUND', 'TPC10050002', `no message ${key}`);
    if (verdict === Verdict.VERDICT_COMMITTED) return this.#send(known);
    if (verdict === Verdict.VERDICT_ROLLED_BACK && known.state !== SENDING)
      Object.assign(known, { state: CANCELLED, cancelKind: CancelKind.CANCEL_KIND_ROLLED_BACK });
    return known;
  }

  #store(key: string, producerGroup: string, storeId: string, content: OutgoingMessage, state: MessageState): FakeMessage {
    const cancelKind = CancelKind.CANCEL_KIND_UNSPECIFIED;
    const message: FakeMessage = { key, producerGroup, storeId, state, cancelKind, content, reason: '', sends: 0 };
    this.messages.set(key, message);
    return message;
  }

  #send(message: FakeMessage): FakeMessage {
    if (message.state === SENDING || message.state === DEAD) return message;
    return Object.assign(message, { state: SENDING, cancelKind: CancelKind.CANCEL_KIND_UNSPECIFIED, sends: message.sends + 1 });
  }
}

/** By the original content: without trace context, which differs between a prepare and what the sweeper sends later. */
function sameContent(one: OutgoingMessage, other: OutgoingMessage): boolean {
  return hashOf(one) === hashOf(other);
}

function hashOf(content: OutgoingMessage): string {
  const headers = Object.entries(content.headers).sort(([a], [b]) => (a < b ? -1 : 1));
  const body = content.data ?? Buffer.from(content.text ?? '');
  return createHash('sha256')
    .update(JSON.stringify([content.topic, content.tag, content.contentType, headers]))
    .update(body)
    .digest('hex');
}
