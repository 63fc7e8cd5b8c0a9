import { describe, expect, it } from 'vitest';
import { MailHold } from './mail-hold.ts';

const policy = { firstWaitMs: 2_000, maxWaitMs: 60_000 };
const MIDDLE = 0.5;

function done(hold: MailHold, now: number): () => void {
  const admission = hold.admit(now);
  if ('waitMs' in admission) throw new Error(`held for ${admission.waitMs} ms`);
  return admission.done;
}

describe('the hold of all mails', () => {
  it('lets mails go side by side while the server takes them', () => {
    const hold = new MailHold(policy);
    expect([hold.admit(0), hold.admit(0)].map((admission) => 'done' in admission)).toEqual([true, true]);
  });

  it('holds everything for longer after each failure, up to the longest wait', () => {
    const hold = new MailHold(policy);
    const waits = Array.from({ length: 8 }, () => hold.failed(true, 0, MIDDLE).waitMs);
    expect(waits).toEqual([2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
    expect(hold.admit(59_000)).toEqual({ waitMs: 1_000 });
  });

  it('then lets one mail try at a time', () => {
    const hold = new MailHold(policy);
    hold.failed(false, 0, MIDDLE);
    const first = done(hold, 2_000);
    expect(hold.admit(2_000)).toEqual({ waitMs: 1_000 });
    first();
    expect(hold.admit(2_000)).toHaveProperty('done');
  });

  it('spreads its waits by a fifth to both sides, and never waits less than a millisecond', () => {
    expect(new MailHold(policy).failed(true, 0, 0).waitMs).toBe(1_600);
    expect(new MailHold(policy).failed(true, 0, 0.999_999).waitMs).toBe(2_400);
    expect(new MailHold({ firstWaitMs: 0, maxWaitMs: 10 }).failed(true, 0, MIDDLE).waitMs).toBe(1);
  });

  it('lasts until its wait is over, from the last failure on', () => {
    const hold = new MailHold(policy);
    hold.failed(true, 0, MIDDLE);
    hold.failed(true, 1_000, MIDDLE);
    expect(hold.admit(4_999)).toEqual({ waitMs: 1 });
    expect(hold.admit(5_000)).toHaveProperty('done');
  });

  it('that is over is forgotten: the connection may fail anew, and a check ends that', () => {
    const hold = new MailHold(policy);
    hold.failed(false, 0, MIDDLE);
    hold.taken();
    hold.failed(true, 0, MIDDLE);
    hold.reachable();
    expect(hold.holds).toBe(false);
  });

  it('ends when a mail is taken, and begins with the first wait again', () => {
    const hold = new MailHold(policy);
    hold.failed(false, 0, MIDDLE);
    hold.failed(false, 0, MIDDLE);
    hold.taken();
    expect(hold.holds).toBe(false);
    expect(hold.failed(false, 0, MIDDLE).waitMs).toBe(2_000);
  });

  it.each([
    ['nothing but the connection had failed', [true, true], false],
    ['a mail was refused', [false], true],
    ['a mail was refused after the connection had failed', [true, false], true],
    ['the connection fails after a refusal', [false, true], true],
  ])('a check that finds the server, where %s', (_, failures, holds) => {
    const hold = new MailHold(policy);
    for (const atConnection of failures) hold.failed(atConnection, 0, MIDDLE);
    hold.reachable();
    expect(hold.holds).toBe(holds);
  });

  it('suspects the mail only where it was refused while others were taken', () => {
    const hold = new MailHold(policy);
    expect(hold.failed(true, 0, MIDDLE).mayBeTheMail).toBe(false);
    expect(hold.failed(false, 0, MIDDLE).mayBeTheMail).toBe(false);
    hold.taken();
    expect(hold.failed(false, 0, MIDDLE).mayBeTheMail).toBe(true);
    expect(hold.failed(false, 0, MIDDLE).mayBeTheMail).toBe(false);
  });
});
