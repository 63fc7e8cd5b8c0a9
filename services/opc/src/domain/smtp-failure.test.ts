import { describe, expect, it } from 'vitest';
import { judgeSmtpFailure, withoutAddresses } from './smtp-failure.ts';

describe('judgeSmtpFailure', () => {
  it.each([
    ['RCPT TO', 550, 'recipient'],
    ['RCPT TO', 553, 'recipient'],
    ['RCPT TO', 450, 'deferred'],
    ['RCPT TO', 421, 'unavailable'],
    ['RCPT TO', 530, 'unavailable'],
    ['DATA', 552, 'mail'],
    ['DATA', 554, 'mail'],
    ['DATA', 451, 'deferred'],
    ['DATA', 503, 'unavailable'],
    ['MAIL FROM', 550, 'unavailable'],
    ['AUTH PLAIN', 535, 'unavailable'],
    ['CONN', 554, 'unavailable'],
    ['CONN', undefined, 'unavailable'],
    ['DATA', undefined, 'unavailable'],
  ])('%s answered %s: %s', (command, responseCode, verdict) => {
    expect(judgeSmtpFailure({ command, responseCode })).toBe(verdict);
  });
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
  });
});
