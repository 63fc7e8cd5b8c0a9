/**
 * From a raw mail and its envelope to what the store keeps and the inbox shows. Never refuses a mail: what cannot be parsed is kept with its
 * source and says why.
 */
import { domainToUnicode } from 'node:url';
import { type AddressObject, type Attachment, type EmailAddress, type ParsedMail, simpleParser } from 'mailparser';
import type { ListUnsubscribe, MailAddress, MailPeople } from '../inbox/mailpit.ts';

/** The SMTP envelope: who really gets it, whatever the headers say. `mailFrom` is empty for a bounce. */
export type Envelope = { mailFrom: string; rcptTo: readonly string[]; username?: string };

export type IncomingPart = { partId: string; fileName: string; contentType: string; contentId: string; inline: boolean; content: Buffer };

/** `date` is in UTC milliseconds, absent where the mail has no Date header. */
export type IncomingMail = {
  messageId: string;
  subject: string;
  people: MailPeople;
  envelope: Envelope;
  date?: number;
  text: string;
  html: string;
  listUnsubscribe: ListUnsubscribe;
  parts: IncomingPart[];
  raw: Buffer;
};

/** Longer HTML is not converted to text: the conversion would hold up the process; characters. */
const MAX_HTML_TO_TEXT = 1024 * 1024;

export async function parseMail(raw: Buffer, envelope: Envelope): Promise<IncomingMail> {
  try {
    const mail = await simpleParser(raw, {
      keepCidLinks: true,
      skipTextToHtml: true,
      maxHtmlLengthToParse: MAX_HTML_TO_TEXT,
      checksumAlgo: false,
    });
    return fromParsed(mail, raw, envelope);
  } catch (error) {
    return unparsed(raw, envelope, error instanceof Error ? error.message : String(error));
  }
}

function fromParsed(mail: ParsedMail, raw: Buffer, envelope: Envelope): IncomingMail {
  const hasDate = mail.headerLines.some(({ key }) => key === 'date') && mail.date !== undefined;
  return {
    messageId: (mail.messageId ?? '').replace(/^<|>$/g, ''),
    subject: mail.subject ?? '',
    people: peopleOf(mail, envelope),
    envelope,
    ...(hasDate ? { date: (mail.date as Date).getTime() } : {}),
    text: mail.text ?? '',
    html: mail.html || '',
    listUnsubscribe: listUnsubscribeOf(mail),
    parts: partsOf(mail.attachments),
    raw,
  };
}

function unparsed(raw: Buffer, envelope: Envelope, reason: string): IncomingMail {
  return {
    messageId: '',
    subject: '(this mail could not be parsed)',
    people: { From: bare(envelope.mailFrom), To: [], Cc: [], Bcc: envelope.rcptTo.map(bare), ReplyTo: [] },
    envelope,
    text: `This mail could not be parsed: ${reason}. Its source is kept as it came.`,
    html: '',
    listUnsubscribe: noListUnsubscribe(),
    parts: [],
    raw,
  };
}

/** Reads the headers' people, and adds the envelope's recipients that no header names as Bcc. */
function peopleOf(mail: ParsedMail, envelope: Envelope): MailPeople {
  const [To, Cc, Bcc] = [addressesOf(mail.to), addressesOf(mail.cc), addressesOf(mail.bcc)];
  const named = new Set([...To, ...Cc, ...Bcc].map(({ Address }) => comparable(Address)));
  const hidden = envelope.rcptTo.filter((address) => !named.has(comparable(address))).map(bare);
  const From = addressesOf(mail.from)[0] ?? bare(envelope.mailFrom);
  return { From, To, Cc, Bcc: [...Bcc, ...hidden], ReplyTo: addressesOf(mail.replyTo) };
}

function addressesOf(header: AddressObject | AddressObject[] | undefined): MailAddress[] {
  const flatten = (entry: EmailAddress): MailAddress[] =>
    entry.group ? entry.group.flatMap(flatten) : [{ Name: entry.name, Address: entry.address ?? '' }];
  return [header ?? []].flat().flatMap(({ value }) => value.flatMap(flatten));
}

function bare(address: string): MailAddress {
  return { Name: '', Address: address };
}

/** Headers may carry a domain in Unicode where the envelope has it in punycode; the local part's case is no difference in practice. */
function comparable(address: string): string {
  const at = address.lastIndexOf('@');
  const domain = address.slice(at + 1);
  return `${address.slice(0, at + 1).toLowerCase()}${domainToUnicode(domain) || domain.toLowerCase()}`;
}

function listUnsubscribeOf(mail: ParsedMail): ListUnsubscribe {
  const headerValue = (name: string) => {
    const line = mail.headerLines.find(({ key }) => key === name)?.line ?? '';
    return line
      .slice(line.indexOf(':') + 1)
      .replace(/\r?\n[ \t]+/g, ' ')
      .trim();
  };
  const Header = headerValue('list-unsubscribe');
  const Links = [...Header.matchAll(/<([^>]+)>/g)].map(([, link]) => link as string);
  return { Header, Links, Errors: '', HeaderPost: headerValue('list-unsubscribe-post') };
}

function noListUnsubscribe(): ListUnsubscribe {
  return { Header: '', Links: [], Errors: '', HeaderPost: '' };
}

function partsOf(attachments: readonly Attachment[]): IncomingPart[] {
  const taken = new Set<string>();
  return attachments.map((attachment, index) => {
    const wanted = attachment.partId ?? '1';
    const partId = taken.has(wanted) ? `${wanted}-${index}` : wanted;
    taken.add(partId);
    const inline = attachment.related === true || (attachment.contentDisposition === 'inline' && Boolean(attachment.cid));
    return {
      partId,
      fileName: attachment.filename ?? attachment.cid ?? `part-${partId}`,
      contentType: attachment.contentType,
      contentId: attachment.cid ?? '',
      inline,
      content: attachment.content,
    };
  });
}
