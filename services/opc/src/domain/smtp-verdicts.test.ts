import { describe, expect, it } from 'vitest';
import { parseSmtpReply, verdictRowOf } from './smtp-failure.ts';
import type { SmtpStage } from './smtp-verdicts.ts';

function verdict(stage: SmtpStage, reply: string): string {
  const answer = parseSmtpReply(reply);
  return (answer && verdictRowOf(stage, answer)?.verdict) ?? 'none';
}

/** First letters of the verdicts on `X50 X.subject.detail`, for details from 0 to 99. */
function letters(stage: SmtpStage, kind: 4 | 5, subject: number): string {
  return Array.from({ length: 100 }, (_, detail) => verdict(stage, `${kind}50 ${kind}.${subject}.${detail}`).charAt(0)).join('');
}

describe('an enhanced code by itself, from X.S.0 to X.S.99', () => {
  // recipient, mail, deferred, ours; what is left out at the end is as the class of the code has it.
  it.each([
    { subject: 0, toRecipient: '', toMail: '', forNow: '' },
    { subject: 1, toRecipient: 'rrrrrrroorr', toMail: 'mrrrrrroorr', forNow: 'dddddddood' },
    { subject: 2, toRecipient: 'rrdmr', toMail: 'mrdmr', forNow: '' },
    { subject: 3, toRecipient: 'rddmmor', toMail: 'mddmmom', forNow: 'dddddod' },
    { subject: 4, toRecipient: 'rrddrordr', toMail: 'mrddrordm', forNow: 'dddddod' },
    { subject: 5, toRecipient: 'rrror', toMail: 'mmmom', forNow: '' },
    { subject: 6, toRecipient: 'rmmmmmmr'.padEnd(100, 'm'), toMail: 'mmmmmmmr', forNow: '' },
    {
      subject: 7,
      toRecipient: 'ooroommmooooooommrrroooooooooo'.padEnd(50, 'r').padEnd(100, 'o'),
      toMail: 'mmroommmooooooommrrroooooooooo'.padEnd(50, 'm').padEnd(100, 'o'),
      forNow: 'dddoodddooooooodddddoooooooooo'.padEnd(50, 'd').padEnd(100, 'o'),
    },
    { subject: 8, toRecipient: '', toMail: '', forNow: '' },
  ])('subject $subject', ({ subject, toRecipient, toMail, forNow }) => {
    expect(letters('recipient', 5, subject)).toBe(toRecipient.padEnd(100, 'r'));
    expect(letters('data', 5, subject)).toBe(toMail.padEnd(100, 'm'));
    for (const stage of ['recipient', 'data'] as const) expect(letters(stage, 4, subject)).toBe(forNow.padEnd(100, 'd'));
  });

  it.each([
    ['5.7.99', 'ours', 'ours'],
    ['5.7.100', 'recipient', 'recipient'],
    ['5.7.199', 'recipient', 'recipient'],
    ['5.7.200', 'recipient', 'mail'],
    ['5.7.499', 'recipient', 'mail'],
    ['5.7.500', 'ours', 'ours'],
    ['5.7.799', 'ours', 'ours'],
    ['5.7.800', 'recipient', 'mail'],
    ['5.1.100', 'recipient', 'mail'],
    ['5.6.100', 'recipient', 'mail'],
  ])('%s is %s to a recipient, and %s to a mail', (enhanced, toRecipient, toMail) => {
    expect([verdict('recipient', `550 ${enhanced}`), verdict('data', `550 ${enhanced}`)]).toEqual([toRecipient, toMail]);
  });

  it('before a recipient is named is about us, but for the size of the mail', () => {
    for (let subject = 0; subject <= 8; subject++) {
      const size = { 2: 'ooom', 3: 'oooom' }[subject] ?? '';
      expect(letters('sender', 5, subject)).toBe(size.padEnd(100, 'o'));
      expect(letters('sender', 4, subject)).toBe('o'.repeat(100));
    }
  });
});

describe('three digits by themselves', () => {
  const digits = (stage: SmtpStage, kind: number) =>
    Array.from({ length: 60 }, (_, n) => [`${kind * 100 + n}`, verdict(stage, `${kind * 100 + n} no`)] as const);

  it('of 4yz are for now, but where our log-in is missing or the server leaves', () => {
    for (const stage of ['recipient', 'data'] as const)
      expect(digits(stage, 4).filter(([, found]) => found !== 'deferred')).toEqual([
        ['421', 'unavailable'],
        ['432', 'ours'],
        ['454', 'ours'],
      ]);
    expect(new Set(digits('connection', 4).map(([, found]) => found))).toEqual(new Set(['unavailable']));
  });

  it.each(['250', '250 mailbox full', '354', '350 5.7.1'])('that are no refusal say nothing: %s', (reply) => {
    for (const stage of ['recipient', 'data'] as const) expect(verdict(stage, reply)).toBe('none');
  });

  it('of 5yz are for good, but where they are about us or about room', () => {
    const ours = ['500', '502', '503', '504', '521', '530', '534', '535', '538', '555'].map((code) => [code, 'ours'] as const);
    expect(digits('data', 5).filter(([, found]) => found !== 'mail')).toEqual(ours);
    expect(digits('recipient', 5).filter(([, found]) => found !== 'recipient')).toEqual(
      [...ours, ['552', 'deferred'] as const].sort(([a], [b]) => (a < b ? -1 : 1)),
    );
    for (const stage of ['connection', 'sender'] as const) expect(new Set(digits(stage, 5).map(([, found]) => found))).toEqual(new Set(['ours']));
  });
});

/** Words of a refusal of a recipient that would be the recipient's without them. */
const SAYINGS: readonly (readonly [string, string])[] = [
  ['message is too big', 'mail'],
  ['mail too large', 'mail'],
  ['this email has a bad size', 'mail'],
  ['e-mail exceeds it', 'mail'],
  ['size of it exceeds', 'mail'],
  ['sender unwanted', 'ours'],
  ['bad mail from', 'ours'],
  ['bad from address', 'ours'],
  ['may not send as ann', 'ours'],
  ['mailbox full', 'deferred'],
  ['inbox is full', 'deferred'],
  ['user storage was exceeded', 'deferred'],
  ['account has insufficient room', 'deferred'],
  ['overquota', 'deferred'],
  ['it is over quota', 'deferred'],
  ['sending above your limit', 'ours'],
  ['hourly quota', 'ours'],
  ['daily amount was exceeded', 'ours'],
  ['outgoing limit', 'ours'],
  ['mails of today: limit', 'ours'],
  ['emails: quota', 'ours'],
  ['e-mails: quota', 'ours'],
  ['limit of the hour exceeded', 'ours'],
  ['limits exceeded', 'ours'],
  ['exceeded a limit', 'ours'],
  ['exceeded your limits', 'ours'],
  ['exceeded the max', 'ours'],
  ['exceeded the maximum', 'ours'],
  ['ratelimited', 'ours'],
  ['rate-limited', 'ours'],
  ['too many messages', 'ours'],
  ['too many emails', 'ours'],
  ['too many e-mails', 'ours'],
  ['too many connections', 'ours'],
  ['throttled', 'ours'],
  ['ratelimit reached', 'ours'],
  ['try later', 'ours'],
  ['try again later', 'ours'],
  ['try it later', 'ours'],
  ['on a blocklist', 'ours'],
  ['on a black list', 'ours'],
  ['denylist', 'ours'],
  ['in a dnsbl', 'ours'],
  ['in an rbl', 'ours'],
  ['see spamhaus', 'ours'],
  ['bad reputation', 'ours'],
  ['client host unwanted', 'ours'],
  ['your network unwanted', 'ours'],
  ['reverse lookup', 'ours'],
  ['no ptr', 'ours'],
  ['dmarc', 'ours'],
  ['not authenticated', 'ours'],
  ['login first', 'ours'],
  ['log in first', 'ours'],
];

describe('words', () => {
  it.each(SAYINGS)('"%s" of a refusal for good say %s, and of one for now nothing', (words, expected) => {
    expect(verdict('recipient', `550 ${words}`)).toBe(expected);
    expect(verdict('recipient', `550 5.7.1 ${words.toUpperCase()}`)).toBe(expected);
    expect(verdict('recipient', `455 ${words}`)).toBe('deferred');
  });

  it.each(['relay', 'relaying', 'no relay here'])('"%s" are about us, also for now', (words) => {
    expect([verdict('recipient', `550 ${words}`), verdict('data', `450 ${words}`)]).toEqual(['ours', 'ours']);
  });

  it.each([
    'recipient unknown',
    'user is not found',
    'mailbox unavailable',
    'address does not exist',
    "account doesn't exist",
    'user is no longer here',
    'no such user',
    'unknown recipient',
    'invalid address',
  ])('"%s" are about the recipient, where its code may be about us', (words) => {
    expect(verdict('recipient', `550 5.7.1 ${words}`)).toBe('recipient');
    expect(verdict('data', `550 5.7.1 ${words}`)).toBe('mail');
    expect(verdict('recipient', `455 4.7.1 ${words}`)).toBe('deferred');
  });

  it.each([
    ['550 5.1.0 sender', 'ours'],
    ['550 5.7.0 sender', 'ours'],
    ['550 5.5.2 sender', 'ours'],
    ['550 5.5.20 sender', 'recipient'],
    ['550 5.8.0 sender', 'recipient'],
    ['550 5.1.1 sender', 'recipient'],
    ['550 5.7.2 sender', 'recipient'],
    ['450 4.4.6 unusual sending activity', 'ours'],
    ['550 5.4.6 unusual', 'recipient'],
    ['550 5.4.60 unusual sending activity', 'recipient'],
  ])('decide only where the code says nothing, or its row asks for them: %s is %s', (reply, expected) => {
    expect(verdict('recipient', reply)).toBe(expected);
  });
});
