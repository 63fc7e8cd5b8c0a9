/**
 * The mails and their parts in SQLite. `add` resolves once the mail is committed, so that SMTP may answer 250 then and never before. Mails that
 * arrive together share a commit.
 */

import { randomBytes } from 'node:crypto';
import { NaturalBatcher } from '@tpc/core';
import type Database from 'better-sqlite3';
import type { MailAddress, MailPeople, Message, MessageAttachment, MessageSummary, MessagesSummary } from '../inbox/mailpit.ts';
import type { IncomingMail } from '../smtp/parse.ts';
import { parseSearch } from './search.ts';

export type MailStore = {
  /** Stores a mail; resolves after COMMIT. Rejects when it is not stored. The same Message-ID again is another mail. */
  add(mail: IncomingMail): Promise<MessageSummary>;
  /** A page of the list, newest first, of the mails that `query` finds. */
  list(page: { start: number; limit: number; query?: string }): MessagesSummary;
  /** The id of the newest mail. */
  latestId(): string | undefined;
  /** The whole mail, without its attachments' content; undefined for an unknown id. */
  get(id: string): Message | undefined;
  /** @returns whether it was unread until now. */
  markRead(id: string): boolean;
  raw(id: string): Buffer | undefined;
  part(id: string, partId: string): { fileName: string; contentType: string; content: Buffer } | undefined;
  /** Deletes the mails with these ids, or all; returns how many. */
  remove(ids?: readonly string[]): number;
  counts(): { total: number; unread: number };
  /** Bytes on disk, without the write-ahead log. */
  sizeInBytes(): number;
  /** Waits for what is being stored, then closes the file. */
  close(): Promise<void>;
};

type SummaryRow = {
  id: string;
  message_id: string;
  subject: string;
  people: string;
  username: string;
  received_at: number;
  size: number;
  attachments: number;
  is_read: number;
  snippet: string;
};
type MessageRow = SummaryRow & { seq: number; return_path: string; date_at: number | null; list_unsubscribe: string; text: string; html: string };
type PartRow = { part_id: string; file_name: string; content_type: string; content_id: string; inline: number; size: number };

const SUMMARY_COLUMNS = 'm.id, m.message_id, m.subject, m.people, m.username, m.received_at, m.size, m.attachments, m.is_read, m.snippet';
const SNIPPET_LENGTH = 250;

/**
 * @param db from openMailDatabase; the store closes it.
 * @param maxMessages the oldest mails beyond this number go with the commit that brings a new one.
 */
export function createMailStore({ db, maxMessages }: { db: Database.Database; maxMessages: number }): MailStore {
  const insertAll = prepareInsert(db, maxMessages);
  // One commit for all mails that arrived together; one that cannot be stored fails alone.
  const inserts = new NaturalBatcher<IncomingMail, MessageSummary>({ name: 'mail store', flush: async (mails) => insertAll(mails) });
  return {
    add: (mail) => inserts.add(mail),
    ...prepareReads(db),
    ...prepareChanges(db),
    async close() {
      await inserts.drain();
      db.close();
    },
  };
}

function prepareInsert(db: Database.Database, maxMessages: number) {
  const insertMail = db.prepare(`INSERT INTO mail
    (id, message_id, subject, people, return_path, username, date_at, received_at, size, attachments, snippet, list_unsubscribe,
     from_text, to_text, cc_text, bcc_text, subject_text)
    VALUES (?, ?, ?, ?, ?, ?, ?, CAST(unixepoch('subsec') * 1000 AS INTEGER), ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  const insertContent = db.prepare('INSERT INTO mail_content (seq, text, html, body_text, raw) VALUES (?, ?, ?, ?, ?)');
  const insertPart = db.prepare(
    'INSERT INTO mail_part (seq, part_id, file_name, content_type, content_id, inline, size, content) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  );
  const summary = db.prepare(`SELECT ${SUMMARY_COLUMNS} FROM mail m WHERE m.seq = ?`);
  const prune = db.prepare('DELETE FROM mail WHERE seq <= (SELECT seq FROM mail ORDER BY seq DESC LIMIT 1 OFFSET ?)');

  const insertOne = (mail: IncomingMail): MessageSummary => {
    const { lastInsertRowid: seq } = insertMail.run(...mailColumns(mail));
    insertContent.run(seq, mail.text, mail.html, (mail.text || mail.html).toLowerCase(), mail.raw);
    for (const part of mail.parts) {
      const { partId, fileName, contentType, contentId, inline, content } = part;
      insertPart.run(seq, partId, fileName, contentType, contentId, inline ? 1 : 0, content.length, content);
    }
    return summaryOf(summary.get(seq) as SummaryRow);
  };
  return db.transaction((mails: readonly IncomingMail[]) => {
    const stored = mails.map(insertOne);
    prune.run(maxMessages);
    return stored;
  }).immediate;
}

/** The values of `mail` in the order of its INSERT. */
function mailColumns(mail: IncomingMail): (string | number | null)[] {
  const { people, envelope } = mail;
  return [
    newId(),
    mail.messageId,
    mail.subject,
    JSON.stringify(people),
    envelope.mailFrom,
    envelope.username ?? '',
    mail.date ?? null,
    mail.raw.length,
    mail.parts.filter((part) => !part.inline).length,
    mail.text.replace(/\s+/g, ' ').trim().slice(0, SNIPPET_LENGTH),
    JSON.stringify(mail.listUnsubscribe),
    searchable([people.From]),
    searchable(people.To),
    searchable(people.Cc),
    searchable(people.Bcc),
    mail.subject.toLowerCase(),
  ];
}

function prepareReads(db: Database.Database) {
  const newest = db.prepare('SELECT id FROM mail ORDER BY seq DESC LIMIT 1').pluck();
  const message = db.prepare(`SELECT ${SUMMARY_COLUMNS}, m.seq, m.return_path, m.date_at, m.list_unsubscribe, c.text, c.html
    FROM mail m JOIN mail_content c ON c.seq = m.seq WHERE m.id = ?`);
  const parts = db.prepare('SELECT part_id, file_name, content_type, content_id, inline, size FROM mail_part WHERE seq = ? ORDER BY rowid');
  const raw = db.prepare('SELECT c.raw FROM mail m JOIN mail_content c ON c.seq = m.seq WHERE m.id = ?').pluck();
  const part = db.prepare(`SELECT p.file_name AS fileName, p.content_type AS contentType, p.content
    FROM mail m JOIN mail_part p ON p.seq = m.seq WHERE m.id = ? AND p.part_id = ?`);
  const total = db.prepare('SELECT count(*) FROM mail').pluck();
  const unread = db.prepare('SELECT count(*) FROM mail WHERE is_read = 0').pluck();
  const bytes = db.prepare('SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()').pluck();
  const counts = () => ({ total: total.get() as number, unread: unread.get() as number });
  return {
    counts,
    list: (page: { start: number; limit: number; query?: string }) => listMails(db, page, counts()),
    latestId: () => newest.get() as string | undefined,
    get(id: string): Message | undefined {
      const row = message.get(id) as MessageRow | undefined;
      return row && messageOf(row, parts.all(row.seq) as PartRow[]);
    },
    raw: (id: string) => raw.get(id) as Buffer | undefined,
    part: (id: string, partId: string) => part.get(id, partId) as { fileName: string; contentType: string; content: Buffer } | undefined,
    sizeInBytes: () => bytes.get() as number,
  };
}

function prepareChanges(db: Database.Database) {
  const markRead = db.prepare('UPDATE mail SET is_read = 1 WHERE id = ? AND is_read = 0');
  const removeOne = db.prepare('DELETE FROM mail WHERE id = ?');
  const removeAll = db.prepare('DELETE FROM mail');
  const removeMany = db.transaction((ids: readonly string[]) => ids.reduce((sum, id) => sum + removeOne.run(id).changes, 0));
  return {
    markRead: (id: string) => markRead.run(id).changes > 0,
    remove: (ids?: readonly string[]) => (ids ? removeMany.immediate(ids) : removeAll.run().changes),
  };
}

function listMails(
  db: Database.Database,
  { start, limit, query = '' }: { start: number; limit: number; query?: string },
  { total, unread }: { total: number; unread: number },
): MessagesSummary {
  const conditions = parseSearch(query);
  const where = conditions.length > 0 ? `WHERE ${conditions.map(({ sql }) => sql).join(' AND ')}` : '';
  const from = `FROM mail m ${where && 'JOIN mail_content c ON c.seq = m.seq'} ${where}`;
  const values = conditions.map(({ value }) => value);
  const rows = db.prepare(`SELECT ${SUMMARY_COLUMNS} ${from} ORDER BY m.seq DESC LIMIT ? OFFSET ?`).all(...values, limit, start) as SummaryRow[];
  const matching = where
    ? (db.prepare(`SELECT count(*) AS total, coalesce(sum(1 - m.is_read), 0) AS unread ${from}`).get(...values) as { total: number; unread: number })
    : { total, unread };
  return {
    total,
    unread,
    count: rows.length,
    messages_count: matching.total,
    messages_unread: matching.unread,
    start,
    tags: [],
    messages: rows.map(summaryOf),
  };
}

function summaryOf(row: SummaryRow): MessageSummary {
  return {
    ID: row.id,
    MessageID: row.message_id,
    Read: row.is_read === 1,
    ...(JSON.parse(row.people) as MailPeople),
    Subject: row.subject,
    Created: new Date(row.received_at).toISOString(),
    Username: row.username,
    Tags: [],
    Size: row.size,
    Attachments: row.attachments,
    Snippet: row.snippet,
  };
}

function messageOf(row: MessageRow, parts: readonly PartRow[]): Message {
  const attachmentsWhere = (inline: number) => parts.filter((part) => part.inline === inline).map(attachmentOf);
  return {
    ID: row.id,
    MessageID: row.message_id,
    ...(JSON.parse(row.people) as MailPeople),
    ReturnPath: row.return_path,
    Subject: row.subject,
    ListUnsubscribe: JSON.parse(row.list_unsubscribe),
    Date: new Date(row.date_at ?? row.received_at).toISOString(),
    Tags: [],
    Username: row.username,
    Text: row.text,
    HTML: row.html,
    Size: row.size,
    Inline: attachmentsWhere(1),
    Attachments: attachmentsWhere(0),
  };
}

function attachmentOf(part: PartRow): MessageAttachment {
  return { PartID: part.part_id, FileName: part.file_name, ContentType: part.content_type, ContentID: part.content_id, Size: part.size };
}

function searchable(addresses: readonly MailAddress[]): string {
  return addresses
    .map(({ Name, Address }) => `${Name} ${Address}`)
    .join(' ')
    .toLowerCase();
}

/** 128 random bits in hex: safe in a URL, and no hint at how many mails there are. */
function newId(): string {
  return randomBytes(16).toString('hex');
}
