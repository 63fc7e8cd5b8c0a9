import type { Consumer } from '@tpc/client/consumer';
import { createRepeater, type Log, type Repeater } from '@tpc/platform';
import type { Mailer } from '../adapters/smtp.ts';
import { MAIL_SERVER } from '../handlers/send-email.ts';

/** How often a mail server is looked for that cannot be had, milliseconds. */
const LOOK_WHILE_AWAY_MS = 2_000;

/**
 * Looks for the mail server while nothing is sent, more often while it is away, and wakes the mails that wait for it when they can go out again: once
 * at that moment, and once more at the next look, for those that were being given back just then.
 */
export function watchMailServer(mailer: Mailer, consumer: Consumer, { everyMs, log }: { everyMs: number; log: Log }): Repeater {
  let again = false;
  let checkedAt = Number.NEGATIVE_INFINITY;
  const wake = async () => {
    const woken = await consumer.wake(MAIL_SERVER);
    if (woken > 0) log.info({ num_messages: woken }, 'mails that waited for the mail server are woken');
  };
  mailer.onOpen(() => {
    again = true;
    wake().catch((err: unknown) => log.warn({ err }, 'waiting mails could not be woken now; they are at the next look'));
  });
  const pass = async (signal: AbortSignal) => {
    if (again) await wake();
    again = false;
    if (mailer.state().connected === true && performance.now() - checkedAt < everyMs) return;
    await mailer.check(signal);
    checkedAt = performance.now();
  };
  return createRepeater({ name: 'mail server', everyMs: Math.min(everyMs, LOOK_WHILE_AWAY_MS), pass, log });
}
