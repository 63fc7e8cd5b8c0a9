import { describe, expect, it } from 'vitest';
import { isAtConnection, judgeSmtpFailure, parseSmtpReply, verdictRowOf, withoutAddresses } from './smtp-failure.ts';
import { type SmtpStage, type SmtpVerdict, VERDICTS } from './smtp-verdicts.ts';

/** One answer or more for each row of the table, in its order; the last part is the begin of the row's rule. */
const ANSWERS: readonly (readonly [SmtpStage, string, SmtpVerdict, string])[] = [
  ['recipient', '421 4.7.0 Try again later, closing connection', 'unavailable', 'RFC 5321 §3.8'],
  ['data', '421 4.3.2 Service shutting down', 'unavailable', 'RFC 5321 §3.8'],
  ['connection', '454 4.7.0 Temporary authentication failure', 'unavailable', 'RFC 5321 §3.1, RFC 3207'],
  ['connection', '450 4.7.1 Client host rejected: cannot find your hostname', 'unavailable', 'RFC 5321 §3.1, RFC 3207'],
  ['connection', '554 5.7.1 Your IP is blocked', 'ours', 'RFC 5321 §3.1, RFC 4954'],
  ['connection', '535 5.7.8 Authentication credentials invalid', 'ours', 'RFC 5321 §3.1, RFC 4954'],
  ['connection', '521 This host does not accept mail', 'ours', 'RFC 5321 §3.1, RFC 4954'],
  ['recipient', '530 5.7.0 Authentication required', 'ours', 'RFC 4954 §6, RFC 3207'],
  ['recipient', '454 4.7.1 <x>: Relay access denied', 'ours', 'RFC 4954 §6, RFC 3207'],
  ['sender', '530 5.7.0 Must issue a STARTTLS command first', 'ours', 'RFC 4954 §6, RFC 3207'],
  ['recipient', '521 5.3.2 Host takes no mail', 'ours', 'RFC 7504'],
  ['sender', '552 5.3.4 Message size exceeds fixed limit', 'mail', 'RFC 1870'],
  ['sender', '550 5.7.1 Sender not owned by user', 'ours', 'RFC 5321 §3.3'],
  ['sender', '452 4.3.1 Insufficient system storage', 'ours', 'RFC 5321 §3.3'],
  ['recipient', '550 5.1.8 Sender address has no domain', 'ours', 'RFC 3463 §3.2, X.1.7'],
  ['recipient', '450 4.1.8 Sender address rejected: Domain not found', 'ours', 'RFC 3463 §3.2, X.1.7'],
  ['recipient', '550 5.1.1 <x>: User unknown', 'recipient', 'RFC 3463 §3.2, RFC 7505'],
  ['recipient', '556 5.1.10 Domain takes no mail (null MX)', 'recipient', 'RFC 3463 §3.2, RFC 7505'],
  ['data', '550 5.1.2 Bad destination system', 'recipient', 'RFC 3463 §3.2, RFC 7505'],
  ['recipient', '552 5.2.2 mailbox full', 'deferred', 'RFC 3463 §3.3, X.2.2'],
  ['data', '552-5.2.2 The mailbox is over quota.\r\n552 5.2.2 See help', 'deferred', 'RFC 3463 §3.3, X.2.2'],
  ['data', '552 5.3.4 Message too big for system', 'mail', 'RFC 3463 §3.3 and'],
  ['data', '550 5.2.3 Message length exceeds administrative limit', 'mail', 'RFC 3463 §3.3 and'],
  ['recipient', '550 5.2.1 Mailbox disabled', 'recipient', 'RFC 3463 §3.3: the mailbox'],
  ['data', '552 5.3.1 Mail system full', 'deferred', 'RFC 3463 §3.4, X.3.1'],
  ['data', '550 5.3.5 System incorrectly configured', 'ours', 'RFC 3463 §3.4, X.3.5'],
  ['recipient', '550 5.4.5 Daily user sending limit exceeded', 'ours', 'RFC 3463 §3.5, X.4.5'],
  ['data', '550 Domain example.com has exceeded the max emails per hour (150/150 (100%)) allowed. Message discarded.', 'ours', 'words: our limit'],
  ['data', '550 5.7.1 You have exceeded your sending limits', 'ours', 'words: our limit'],
  ['data', '554 5.7.0 Rate limited', 'ours', 'words: our limit'],
  ['data', '552 5.2.2 User has exceeded the maximum quota', 'deferred', 'RFC 3463 §3.3, X.2.2'],
  ['data', '552 Message exceeded maximum size', 'mail', 'words: too large'],
  ['recipient', '550 5.4.6 Unusual sending activity detected. Please try after sometime', 'ours', 'Zoho'],
  ['recipient', '550 5.4.7 Delivery time expired', 'deferred', 'RFC 3463 §3.5: these pass'],
  ['recipient', '550 5.4.1 Recipient address rejected: Access denied', 'recipient', 'RFC 3463 §3.5: no way'],
  ['recipient', '550 5.4.4 Host not found', 'recipient', 'RFC 3463 §3.5: no way'],
  ['recipient', '550 5.5.3 Too many recipients this hour', 'ours', 'RFC 3463 §3.6'],
  ['recipient', '553 5.6.7 SMTPUTF8 is required', 'recipient', 'RFC 6531'],
  ['data', '554 5.6.1 Media not supported', 'mail', 'RFC 3463 §3.7'],
  ['recipient', '550 5.7.17 Mailbox owner has changed', 'recipient', 'RFC 3463 §3.8, RFC 7293'],
  ['data', '550 5.7.7 Message integrity failure', 'mail', 'RFC 3463 §3.8, RFC 6710'],
  ['data', '550 5.7.26 Unauthenticated email is not accepted', 'ours', 'RFC 4954 §6, RFC 5248'],
  ['data', '450 4.7.28 Unusual rate of mail from your IP', 'ours', 'RFC 4954 §6, RFC 5248'],
  ['recipient', '550 5.7.9 Authentication mechanism is too weak', 'ours', 'RFC 4954 §6, RFC 5248'],
  ['recipient', '550 5.7.124 Sender not in the list of allowed senders', 'recipient', 'Exchange, X.7.1xx'],
  ['data', '550 5.7.60 Client has no permissions to send as this sender', 'ours', 'Exchange, X.7.5x'],
  ['data', '550 5.7.705 Tenant has exceeded threshold', 'ours', 'Exchange, X.7.5x'],
  ['data', '550 Message size exceeds limit', 'mail', 'words: too large'],
  ['recipient', '554 5.7.1 <x>: Relay access denied', 'ours', 'words: relaying'],
  ['recipient', '550 not permitted to relay', 'ours', 'words: relaying'],
  ['recipient', '450 4.7.1 Relaying temporarily denied', 'ours', 'words: relaying'],
  ['recipient', '553 5.7.1 <x>: Sender address rejected: not owned by user', 'ours', 'words: our sender'],
  ['data', '552 Requested action aborted: mailbox full', 'deferred', 'words: mailbox full'],
  ['recipient', '550 user is over quota', 'deferred', 'words: mailbox full'],
  ['data', '554 5.7.0 The limit on the number of allowed outgoing messages was exceeded. Try again later.', 'ours', 'words: our limit'],
  ['recipient', '550 You have sent too many messages', 'ours', 'words: our limit'],
  ['recipient', '554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org', 'ours', 'words: our address'],
  ['data', '554 5.7.1 rejected because of SPF', 'ours', 'words: our address'],
  ['recipient', '550 5.7.1 <x>: Recipient address rejected: no longer here', 'recipient', 'words: the recipient'],
  ['recipient', '550 5.5.0 Requested action not taken: mailbox unavailable', 'recipient', 'words: the recipient'],
  ['recipient', '450 4.1.2 Recipient address rejected: Domain not found', 'deferred', 'RFC 5321 §4.2.1: 4yz'],
  ['recipient', '450 4.2.0 Greylisted', 'deferred', 'RFC 5321 §4.2.1: 4yz'],
  ['recipient', '451 4.7.1 Try again later', 'deferred', 'RFC 5321 §4.2.1: 4yz'],
  ['data', '451 4.3.0 Cannot store it now', 'deferred', 'RFC 5321 §4.2.1: 4yz'],
  ['data', '503 5.5.1 Bad sequence of commands', 'ours', 'RFC 5321 §4.2.2'],
  ['recipient', '555 Parameters not recognised', 'ours', 'RFC 5321 §4.2.2'],
  ['recipient', '552 Exceeded storage allocation', 'deferred', 'RFC 5321 §4.5.3.1.10'],
  ['recipient', '550 5.7.1 Not authorised', 'ours', 'RFC 3463 §3.8, X.7.0'],
  ['recipient', '550 no', 'recipient', 'RFC 5321 §4.2.1: 5yz to a recipient'],
  ['recipient', '553 5.1.0 no', 'recipient', 'RFC 5321 §4.2.1: 5yz to a recipient'],
  ['data', '554 5.7.1 This looks like spam', 'mail', 'RFC 5321 §4.2.1: 5yz to the mail'],
  ['data', '552 Exceeded storage allocation', 'mail', 'RFC 5321 §4.2.1: 5yz to the mail'],
];

describe('the table of verdicts', () => {
  it.each(ANSWERS)('%s answered %j: %s, by %s', (stage, reply, verdict, rule) => {
    const answer = parseSmtpReply(reply);
    const row = answer && verdictRowOf(stage, answer);
    expect({ verdict: row?.verdict, rule: row?.rule }).toEqual({ verdict, rule: expect.stringMatching(new RegExp(`^${rule}`)) });
  });

  it.each(VERDICTS.map(({ rule }) => rule))('has an answer above for "%s"', (rule) => {
    expect(ANSWERS.some(([, , , begin]) => rule.startsWith(begin))).toBe(true);
  });
});

describe('parseSmtpReply', () => {
  it.each([
    ['550 5.1.1 no such user', { code: '550', enhanced: '5.1.1', words: 'no such user' }],
    ['550-5.1.1 no\r\n550 5.1.1 such user', { code: '550', enhanced: '5.1.1', words: 'no such user' }],
    ['550 no such user', { code: '550', enhanced: undefined, words: 'no such user' }],
    ['550 10.0.0.1 is blocked', { code: '550', enhanced: undefined, words: '10.0.0.1 is blocked' }],
    ['250 2.0.0 Ok', { code: '250', enhanced: '2.0.0', words: 'Ok' }],
    ['550', { code: '550', enhanced: undefined, words: '' }],
    ['550  5.10.1 no ', { code: '550', enhanced: '5.10.1', words: 'no' }],
    [' \r\n550 5.1.10 no', { code: '550', enhanced: '5.1.10', words: 'no' }],
    ['550 5.100.100 call 123 4', { code: '550', enhanced: '5.100.100', words: 'call 123 4' }],
    ['550 5.1.1000 no', { code: '550', enhanced: undefined, words: '5.1.1000 no' }],
    ['550-\r\n550 no', { code: '550', enhanced: undefined, words: 'no' }],
    ['x550 5.1.1 no', undefined],
    ['150 no', undefined],
    ['Connection timeout', undefined],
  ])('%j', (reply, read) => {
    expect(parseSmtpReply(reply)).toEqual(read);
  });
});

describe('judgeSmtpFailure', () => {
  it.each([
    ['ECONNECTION', 'CONN', undefined, 'unavailable'],
    ['ETIMEDOUT', 'DATA', undefined, 'unavailable'],
    ['ESOCKET', 'CONN', undefined, 'unavailable'],
    ['EAUTH', 'AUTH PLAIN', '535 5.7.8 wrong', 'ours'],
    ['ETLS', 'STARTTLS', '502 5.5.1 not here', 'ours'],
    // Larger than the server has announced; it was never sent.
    ['EMESSAGE', 'MAIL FROM', undefined, 'mail'],
    ['EENVELOPE', 'API', undefined, 'mail'],
    ['EENVELOPE', 'RCPT TO', '550 5.1.1 no', 'recipient'],
    ['EMESSAGE', 'DATA', '554 5.6.0 no', 'mail'],
    ['ESTREAM', 'DATA', undefined, 'mail'],
    ['EMESSAGES', 'DATA', undefined, 'unavailable'],
    ['NOEMESSAGE', 'DATA', undefined, 'unavailable'],
    ['EMESSAGE', 'DATA', 'no answer', 'mail'],
    ['EENVELOPE', 'MAIL FROM', '552 5.3.4 no', 'mail'],
    ['EENVELOPE', 'MAIL FROM', '550 no', 'ours'],
    ['EENVELOPE', 'RCPT TO', '550 no', 'recipient'],
    ['EMESSAGE', 'DATA', '550 no', 'mail'],
    ['EPROTOCOL', 'EHLO', '550 no', 'ours'],
    // No answer to a failure, and so nothing is given up for it.
    ['EPROTOCOL', 'DATA', '354 go on', 'unavailable'],
  ])('%s at %s answered %j: %s', (errorCode, command, reply, verdict) => {
    expect(judgeSmtpFailure({ errorCode, command, reply })).toBe(verdict);
  });
});

it.each([
  ['CONN', true],
  ['EHLO', true],
  ['AUTH PLAIN', true],
  ['MAIL FROM', false],
  ['RCPT TO', false],
  ['DATA', false],
])('%s is at the connection: %s', (command, at) => {
  expect(isAtConnection(command)).toBe(at);
});

describe('withoutAddresses', () => {
  it.each([
    ['550 5.1.1 <ann.lee@example.com>: Recipient address rejected', '550 5.1.1 <<address>>: Recipient address rejected'],
    ['550 no mailbox ann.lee here', '550 no mailbox <address> here'],
    ['550 no mailbox ANN.LEE here', '550 no mailbox <address> here'],
    ['554 from=no-reply@tpc.example to=ann.lee@example.com refused', '554 from=<address> to=<address> refused'],
    ['250 2.0.0 Ok: queued as 4F1A\r\n', '250 2.0.0 Ok: queued as 4F1A'],
    ['250-first\r\n250 second', '250-first 250 second'],
  ])('%j becomes %j', (reply, stored) => {
    expect(withoutAddresses(reply, 'ann.lee@example.com')).toBe(stored);
  });

  it('cuts a long answer', () => {
    expect(withoutAddresses('x'.repeat(5000), 'a@b.c')).toHaveLength(500);
  });

  it('does not take a short local part for a name', () => {
    expect(withoutAddresses('550 ok is not a mailbox', 'ok@example.com')).toBe('550 ok is not a mailbox');
    expect(withoutAddresses('550 - ok', 'ok@example.com')).toBe('550 - ok');
  });
});
