import { randomInt } from 'node:crypto';
import type Database from 'better-sqlite3';
import type { ReceiptHandle } from '../protocol/receipt-handle.ts';
import type { TagFilter } from '../protocol/tag-filter.ts';

/** A message as stored: everything but its body as RocketMQ's wire message. */
export type StoredMessage = { tag: string; envelope: Buffer; body: Buffer };

/** A message handed to a group. */
export type TakenMessage = { seq: number; attempt: number; nonce: number; storedAt: number; envelope: Buffer; body: Buffer };

export type TakeRequest = { group: string; topic: string; filter: TagFilter; count: number; invisibleMs: number; now: number };

export type StoreOptions = {
  newGroupStartsAt: 'newest' | 'earliest';
  maxDeliveryAttempts: number;
  /** Makes the copy of a message that goes to its group's dead letters. */
  toDeadLetter: (message: { topic: string; envelope: Buffer; body: Buffer; tag: string }, deadLetterTopic: string) => StoredMessage;
};

/** Rows looked at in one step of the search for new messages with the right tags. */
const SCAN_PAGE = 256;
/** Bodies in one answer, bytes. */
const TAKE_BYTES = 8 * 1024 * 1024;
const NONCES = 2 ** 31;

/** RocketMQ's name for the topic that holds what a group could not consume. */
function deadLetterTopic(group: string): string {
  return `%DLQ%${group}`;
}

/** All statements of the broker. Each function runs inside the caller's transaction and is one step of it. */
export class BrokerStore {
  readonly #sql: ReturnType<typeof prepare>;
  readonly #options: StoreOptions;

  constructor(db: Database.Database, options: StoreOptions) {
    this.#sql = prepare(db);
    this.#options = options;
  }

  /** Makes the topic at its first use. */
  topicId(name: string): number {
    const known = this.#sql.topicId.get(name) as number | undefined;
    return known ?? Number(this.#sql.addTopic.run(name).lastInsertRowid);
  }

  append(topic: string, messages: readonly StoredMessage[], now: number): void {
    const topicId = this.topicId(topic);
    for (const { tag, envelope, body } of messages) this.#sql.addMessage.run(topicId, tag, now, envelope, body);
  }

  /** Hands out what is due again, then what is new; makes the group at its first poll. */
  take(request: TakeRequest): TakenMessage[] {
    const groupId = this.#groupId(request.group);
    const topicId = this.topicId(request.topic);
    const taken: TakenMessage[] = [];
    this.#takeDue(request, groupId, topicId, taken);
    this.#takeNew(request, groupId, topicId, taken);
    return taken;
  }

  /** When the group's next delivery of the topic is due again; undefined when none is out. */
  nextDue(group: string, topic: string): number | undefined {
    return (this.#sql.nextDue.get(group, topic) as number | null | undefined) ?? undefined;
  }

  /** Puts deliveries that never reached their consumer back, as if they had not been taken. */
  release(group: string, handles: readonly ReceiptHandle[], now: number): void {
    for (const { messageSeq, attempt, nonce } of handles) this.#sql.release.run(now, group, messageSeq, attempt, nonce);
  }

  /**
   * Settles a delivery for its group.
   * @returns `settled` also when it was settled before; `expired` when the handle is of an earlier attempt or its time is over
   */
  acknowledge(group: string, handle: ReceiptHandle, now: number): 'settled' | 'expired' {
    const row = this.#delivery(group, handle);
    if (row === undefined) return 'settled';
    if (!fits(row, handle, now)) return 'expired';
    this.#sql.dropDelivery.run(row.group_id, handle.messageSeq);
    return 'settled';
  }

  /** Moves the moment at which a delivery comes again. @returns the new handle, undefined when the old one does not fit */
  changeInvisible(group: string, handle: ReceiptHandle, until: number, now: number): ReceiptHandle | undefined {
    const row = this.#delivery(group, handle);
    if (row === undefined || !fits(row, handle, now)) return undefined;
    const fresh = { ...handle, nonce: randomInt(NONCES) };
    this.#sql.moveUntil.run(until, fresh.nonce, row.group_id, handle.messageSeq);
    return fresh;
  }

  /** Moves the moment at which a delivery comes again and leaves its handle as it is. @returns false when the handle does not fit */
  keepUntil(group: string, handle: ReceiptHandle, until: number): boolean {
    return this.#sql.extend.run(until, group, handle.messageSeq, handle.attempt, handle.nonce).changes > 0;
  }

  /** Moves a delivery to its group's dead letters. @returns false when the handle does not fit */
  forwardToDeadLetters(group: string, handle: ReceiptHandle, now: number): boolean {
    const row = this.#delivery(group, handle);
    if (row === undefined) return true;
    if (!fits(row, handle, now)) return false;
    this.#bury(group, row.group_id, handle.messageSeq, now);
    return true;
  }

  /** How many dead letters of a group are kept. */
  countDeadLetters(group: string): number {
    return this.#sql.countTopic.get(deadLetterTopic(group)) as number;
  }

  /**
   * One step of clean-up: looks at the next messages behind `after` and deletes those that are too old, and those that every group has
   * settled and that are old enough for that.
   * @returns where to go on; undefined at the end
   */
  cleanUp(after: number, limits: { olderThan: number; settledOlderThan: number; count: number }): { after: number | undefined; deleted: number } {
    const rows = this.#sql.oldest.all(after, limits.count) as { id: number; topic_id: number; stored_at: number }[];
    let deleted = 0;
    for (const { id, topic_id, stored_at } of rows) {
      const old = stored_at < limits.olderThan;
      if (!old && !(stored_at < limits.settledOlderThan && this.#isSettled(id, topic_id))) continue;
      if (old) this.#sql.dropDeliveriesOf.run(id);
      this.#sql.dropMessage.run(id);
      deleted += 1;
    }
    const last = rows.at(-1);
    const more = rows.length === limits.count && last !== undefined && last.stored_at < limits.settledOlderThan;
    return { after: more ? last.id : undefined, deleted };
  }

  #isSettled(id: number, topicId: number): boolean {
    const cursor = this.#sql.slowestCursor.get(topicId) as number | null;
    return cursor !== null && id <= cursor && this.#sql.hasDelivery.get(id) === undefined;
  }

  #groupId(name: string): number {
    const known = this.#sql.groupId.get(name) as number | undefined;
    return known ?? Number(this.#sql.addGroup.run(name).lastInsertRowid);
  }

  #takeDue({ group, count, invisibleMs, now }: TakeRequest, groupId: number, topicId: number, taken: TakenMessage[]): void {
    const due = this.#sql.due.all(groupId, topicId, now, count) as { message_id: number; attempt: number }[];
    for (const { message_id: seq, attempt } of due) {
      if (attempt >= this.#options.maxDeliveryAttempts) {
        this.#bury(group, groupId, seq, now);
        continue;
      }
      const message = this.#sql.message.get(seq) as MessageRow | undefined;
      if (message === undefined) {
        this.#sql.dropDelivery.run(groupId, seq);
        continue;
      }
      const nonce = randomInt(NONCES);
      this.#sql.redeliver.run(now + invisibleMs, attempt + 1, nonce, groupId, seq);
      taken.push({ seq, attempt: attempt + 1, nonce, storedAt: message.stored_at, envelope: message.envelope, body: message.body });
    }
  }

  #takeNew({ filter, count, invisibleMs, now }: TakeRequest, groupId: number, topicId: number, taken: TakenMessage[]): void {
    const start = this.#cursor(groupId, topicId);
    let cursor = start;
    let bytes = 0;
    for (let more = true; more && taken.length < count && bytes < TAKE_BYTES; ) {
      const page = this.#sql.newer.all(topicId, cursor, SCAN_PAGE) as { id: number; tag: string }[];
      more = page.length === SCAN_PAGE;
      for (const { id: seq, tag } of page) {
        if (taken.length >= count || bytes >= TAKE_BYTES) break;
        cursor = seq;
        if (!filter(tag)) continue;
        const message = this.#sql.message.get(seq) as MessageRow;
        const nonce = randomInt(NONCES);
        this.#sql.addDelivery.run(groupId, seq, topicId, now + invisibleMs, nonce);
        bytes += message.body.length;
        taken.push({ seq, attempt: 1, nonce, storedAt: message.stored_at, envelope: message.envelope, body: message.body });
      }
    }
    if (cursor !== start) this.#sql.moveCursor.run(cursor, groupId, topicId);
  }

  #cursor(groupId: number, topicId: number): number {
    const known = this.#sql.cursor.get(groupId, topicId) as number | undefined;
    if (known !== undefined) return known;
    const start = this.#options.newGroupStartsAt === 'newest' ? ((this.#sql.head.get() as number | undefined) ?? 0) : 0;
    this.#sql.addSubscription.run(groupId, topicId, start);
    return start;
  }

  #delivery(group: string, handle: ReceiptHandle): DeliveryRow | undefined {
    return this.#sql.delivery.get(group, handle.messageSeq) as DeliveryRow | undefined;
  }

  #bury(group: string, groupId: number, seq: number, now: number): void {
    const message = this.#sql.messageWithTopic.get(seq) as (MessageRow & { tag: string; topic: string }) | undefined;
    if (message) {
      const topic = deadLetterTopic(group);
      this.append(topic, [this.#options.toDeadLetter(message, topic)], now);
    }
    this.#sql.dropDelivery.run(groupId, seq);
  }
}

type MessageRow = { stored_at: number; envelope: Buffer; body: Buffer };
type DeliveryRow = { group_id: number; attempt: number; nonce: number; until: number };

function fits(row: DeliveryRow, handle: ReceiptHandle, now: number): boolean {
  return row.attempt === handle.attempt && row.nonce === handle.nonce && row.until > now;
}

function prepare(db: Database.Database) {
  const groupByName = '(SELECT id FROM consumer_group WHERE name = ?)';
  return {
    topicId: db.prepare('SELECT id FROM topic WHERE name = ?').pluck(),
    addTopic: db.prepare('INSERT INTO topic (name) VALUES (?)'),
    groupId: db.prepare('SELECT id FROM consumer_group WHERE name = ?').pluck(),
    addGroup: db.prepare('INSERT INTO consumer_group (name) VALUES (?)'),
    addMessage: db.prepare('INSERT INTO message (topic_id, tag, stored_at, envelope, body) VALUES (?, ?, ?, ?, ?)'),
    message: db.prepare('SELECT stored_at, envelope, body FROM message WHERE id = ?'),
    messageWithTopic: db.prepare(
      'SELECT m.stored_at, m.envelope, m.body, m.tag, t.name AS topic FROM message m JOIN topic t ON t.id = m.topic_id WHERE m.id = ?',
    ),
    /** The highest id ever given, also when its row is gone. */
    head: db.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'message'").pluck(),
    newer: db.prepare('SELECT id, tag FROM message WHERE topic_id = ? AND id > ? ORDER BY id LIMIT ?'),
    oldest: db.prepare('SELECT id, topic_id, stored_at FROM message WHERE id > ? ORDER BY id LIMIT ?'),
    dropMessage: db.prepare('DELETE FROM message WHERE id = ?'),
    cursor: db.prepare('SELECT cursor FROM subscription WHERE group_id = ? AND topic_id = ?').pluck(),
    slowestCursor: db.prepare('SELECT MIN(cursor) FROM subscription WHERE topic_id = ?').pluck(),
    addSubscription: db.prepare('INSERT INTO subscription (group_id, topic_id, cursor) VALUES (?, ?, ?)'),
    moveCursor: db.prepare('UPDATE subscription SET cursor = ? WHERE group_id = ? AND topic_id = ?'),
    due: db.prepare('SELECT message_id, attempt FROM delivery WHERE group_id = ? AND topic_id = ? AND until <= ? ORDER BY until LIMIT ?'),
    nextDue: db
      .prepare(`SELECT MIN(until) FROM delivery WHERE group_id = ${groupByName} AND topic_id = (SELECT id FROM topic WHERE name = ?)`)
      .pluck(),
    delivery: db.prepare(`SELECT group_id, attempt, nonce, until FROM delivery WHERE group_id = ${groupByName} AND message_id = ?`),
    hasDelivery: db.prepare('SELECT 1 FROM delivery WHERE message_id = ? LIMIT 1').pluck(),
    addDelivery: db.prepare('INSERT INTO delivery (group_id, message_id, topic_id, until, attempt, nonce) VALUES (?, ?, ?, ?, 1, ?)'),
    redeliver: db.prepare('UPDATE delivery SET until = ?, attempt = ?, nonce = ? WHERE group_id = ? AND message_id = ?'),
    extend: db.prepare(`UPDATE delivery SET until = ? WHERE group_id = ${groupByName} AND message_id = ? AND attempt = ? AND nonce = ?`),
    moveUntil: db.prepare('UPDATE delivery SET until = ?, nonce = ? WHERE group_id = ? AND message_id = ?'),
    release: db.prepare(
      `UPDATE delivery SET until = ?, attempt = attempt - 1 WHERE group_id = ${groupByName} AND message_id = ? AND attempt = ? AND nonce = ?`,
    ),
    dropDelivery: db.prepare('DELETE FROM delivery WHERE group_id = ? AND message_id = ?'),
    dropDeliveriesOf: db.prepare('DELETE FROM delivery WHERE message_id = ?'),
    countTopic: db.prepare('SELECT COUNT(*) FROM message WHERE topic_id = (SELECT id FROM topic WHERE name = ?)').pluck(),
  };
}
