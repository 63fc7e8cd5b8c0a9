/**
 * The JSON of Mailpit's REST API (axllent/mailpit, `/api/v1`), so that scripts written for Mailpit work on the mail catcher. Field names
 * are Mailpit's, hence the capitals.
 */

export type MailAddress = { Name: string; Address: string };

/** The people of a mail by role. `Bcc` also holds the envelope's recipients that stand in no header, as Mailpit has it. */
export type MailPeople = { From: MailAddress; To: MailAddress[]; Cc: MailAddress[]; Bcc: MailAddress[]; ReplyTo: MailAddress[] };

/** One entry of a list. `Created` is the time of receipt, ISO 8601 in UTC; `Size` is in bytes; `Snippet` has at most 250 characters. */
export type MessageSummary = MailPeople & {
  ID: string;
  MessageID: string;
  Read: boolean;
  Subject: string;
  Created: string;
  Username: string;
  Tags: string[];
  Size: number;
  Attachments: number;
  Snippet: string;
};

export type MessageAttachment = { PartID: string; FileName: string; ContentType: string; ContentID: string; Size: number };

export type ListUnsubscribe = { Header: string; Links: string[]; Errors: string; HeaderPost: string };

/** A whole mail. `Date` is its Date header, or the time of receipt where it has none. */
export type Message = MailPeople & {
  ID: string;
  MessageID: string;
  ReturnPath: string;
  Subject: string;
  ListUnsubscribe: ListUnsubscribe;
  Date: string;
  Tags: string[];
  Username: string;
  Text: string;
  HTML: string;
  Size: number;
  Inline: MessageAttachment[];
  Attachments: MessageAttachment[];
};

/** A page of the list, newest first. `count` is what this answer holds, `messages_count` what matches, `total` what the box holds. */
export type MessagesSummary = {
  total: number;
  unread: number;
  count: number;
  messages_count: number;
  messages_unread: number;
  start: number;
  tags: string[];
  messages: MessageSummary[];
};

/**
 * The header block of a raw mail as `GET /api/v1/message/{ID}/headers` shows it: names in canonical case (`Message-Id`), each with its values
 * in order, unfolded but not decoded.
 */
export function messageHeaders(raw: Buffer): Record<string, string[]> {
  const end = raw.indexOf('\r\n\r\n');
  const block = raw.subarray(0, end === -1 ? raw.length : end).toString('utf8');
  const headers: Record<string, string[]> = {};
  for (const line of block.replace(/\r?\n[ \t]+/g, ' ').split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon < 1) continue;
    const name = canonicalName(line.slice(0, colon).trim());
    const values = Object.hasOwn(headers, name) ? headers[name] : undefined;
    if (values) values.push(line.slice(colon + 1).trim());
    else Object.defineProperty(headers, name, { value: [line.slice(colon + 1).trim()], enumerable: true, writable: true, configurable: true });
  }
  return headers;
}

function canonicalName(name: string): string {
  return name
    .split('-')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1).toLowerCase())
    .join('-');
}
