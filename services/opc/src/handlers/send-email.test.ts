import { BadMessageError, type ConsumedMessage, EffectDeferred, EffectFailed } from '@tpc/client/consumer';
import { describe, expect, it } from 'vitest';
import { type Mailer, MailFailure, type OutgoingMail } from '../adapters/smtp.ts';
import type { HoldOutcome } from '../domain/mail-hold.ts';
import type { SmtpVerdict } from '../domain/smtp-verdicts.ts';
import { createSendEmailHandler } from './send-email.ts';

const email = { to: ['Ann@example.com', 'bob@example.com'], subject: 'Hello', text: '<p>Hello <b>you</b></p>' };
const context = { effectId: 'k/1/e', attempt: 1, deferrals: 0, signal: new AbortController().signal };

function message(body: unknown, more: Partial<ConsumedMessage> = {}): ConsumedMessage {
  return { messageKey: 'k', generation: 1, body: Buffer.from(JSON.stringify(body)), ...more } as ConsumedMessage;
}

const deferral = { firstWaitMs: 1_000, maxWaitMs: 4_000, lifeMs: 60_000, maxDeferrals: undefined };

function handler(outcome: SmtpVerdict | 'sent' = 'sent', hold?: HoldOutcome) {
  const sent: OutgoingMail[] = [];
  const send: Mailer['send'] = async (mail) => {
    if (outcome !== 'sent') throw new MailFailure(outcome, 'EENVELOPE RCPT TO 550 no', hold);
    sent.push(mail);
    return { reply: '250 ok' };
  };
  const mailer = { send } as Mailer;
  return { sent, ...createSendEmailHandler({ mailer, domain: 'tpc.example', timeoutMs: 5_000, concurrency: 2, deferral }) };
}

describe('the handler of SEND_EMAIL_TOPIC', () => {
  it('plans one effect a recipient, under a key that is stable and does not tell the address', async () => {
    const { effects } = handler();
    const plans = await effects(message(email));
    expect(plans.map(({ payload }) => payload)).toEqual([{ to: 'Ann@example.com' }, { to: 'bob@example.com' }]);
    for (const { key } of plans) expect(key).toMatch(/^[0-9a-f]{32}$/);
    const replayed = await effects(message({ ...email, to: ['bob@example.com', 'ann@example.com'] }, { generation: 2 }));
    expect(replayed.map(({ key }) => key).sort()).toEqual(plans.map(({ key }) => key).sort());
  });

  it('refuses a bad body before it plans anything', () => {
    expect(() => handler().effects(message({ ...email, subject: 7 }))).toThrow(new BadMessageError('subject is not a string', 'OPC10040005'));
  });

  it('makes the text from the HTML unless the producer gives one', async () => {
    const { run, sent } = handler();
    const effect = { key: 'e', payload: { to: 'bob@example.com' } };
    expect(await run(effect, message(email), context)).toEqual({ result: '250 ok' });
    await run(effect, message({ ...email, plain: 'My own' }), context);
    expect(sent.map(({ text }) => text)).toEqual(['Hello you', 'My own']);
  });

  it('gives a mail the same Message-ID each time, and another for another generation', async () => {
    const { run, sent } = handler();
    const effect = { key: 'e', payload: { to: 'bob@example.com' } };
    for (const generation of [1, 1, 2]) await run(effect, message(email, { generation }), context);
    const [first, again, replay] = sent.map(({ messageId }) => messageId);
    expect(again).toBe(first);
    expect(replay).not.toBe(first);
  });

  it.each([
    ['recipient', 'MAIL_RECIPIENT_REFUSED'],
    ['mail', 'MAIL_REFUSED'],
  ] as const)('ends the effect when the %s is refused for good', async (verdict, reason) => {
    const running = handler(verdict).run({ key: 'e', payload: { to: 'bob@example.com' } }, message(email), context);
    const error = await running.catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(EffectFailed);
    expect(error).toMatchObject({ reason });
  });

  const failing = async (deferrals: number, ...outcome: Parameters<typeof handler>) => {
    const run = { ...context, deferrals };
    return handler(...outcome)
      .run({ key: 'e', payload: { to: 'bob@example.com' } }, message(email), run)
      .catch((caught: unknown) => caught);
  };

  it.each(['unavailable', 'ours'] as const)('waits for the server, without an end, when the verdict is %s', async (verdict) => {
    const error = await failing(1_000_000, verdict, { waitMs: 7_000, mayBeTheMail: false });
    expect(error).toBeInstanceOf(EffectDeferred);
    expect(error).toMatchObject({ waitMs: 7_000, counts: false, waitsFor: 'mail-server' });
  });

  it.each([
    ['deferred', undefined],
    ['ours', { waitMs: 1, mayBeTheMail: true }],
    ['unavailable', { waitMs: 1, mayBeTheMail: true }],
  ] as const)('waits on its own when the mail alone is %s, and has failed in the end with the last answer', async (verdict, hold) => {
    const error = await failing(2, verdict, hold);
    expect(error).toBeInstanceOf(EffectDeferred);
    expect(error).toMatchObject({ counts: true, waitsFor: '' });
    const end = await failing(17, verdict, hold);
    expect(end).toBeInstanceOf(EffectFailed);
    expect(end).toMatchObject({ reason: 'MAIL_EXPIRED', message: expect.stringMatching(/^put off 18 times in .*: EENVELOPE RCPT TO 550 no$/) });
  });

  it('claims an effect for longer than its mail may take', () => {
    const { timeoutMs, leaseMs } = handler();
    expect(timeoutMs).toBeGreaterThan(5_000);
    expect(leaseMs).toBeGreaterThan(timeoutMs);
  });
});
