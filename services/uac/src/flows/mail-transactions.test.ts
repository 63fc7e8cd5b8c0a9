import { OutcomeUnknown } from '@tpc/client/producer';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { count, DATABASES, formOf, startTestUac, type TestUac } from '../../test/kit.ts';
import { inMailTransaction, type MailProducer } from './mail-transactions.ts';
import { toUacError } from './uac-error.ts';

const deadlock = () => Object.assign(new Error('deadlock'), { errno: 1213 });
const lostReply = () => new OutcomeUnknown(Object.assign(new Error('gone'), { code: 'PROTOCOL_CONNECTION_LOST' }));

describe.each(DATABASES)('transactions with mails on %s', (_name, open) => {
  let uac: TestUac;
  beforeEach(async () => {
    uac = await startTestUac(open);
  });
  afterEach(() => uac.drop());

  /** The real producer, whose COMMIT is done and whose answer is lost. */
  const losingReplies = (): MailProducer => ({
    async transaction(work) {
      await uac.producer.transaction(work);
      throw lostReply();
    },
  });

  it('are run again from the beginning after a deadlock, and send one mail', async () => {
    let runs = 0;
    await inMailTransaction(uac.producer, async (_tx, send) => {
      await send('ACTIVE_USER', 'a@example.com', { subject: 's', html: 'h', plain: 'p' });
      if (++runs < 3) throw deadlock();
    });
    expect(runs).toBe(3);
    expect(await uac.mails()).toEqual([{ tag: 'ACTIVE_USER', to: 'a@example.com', subject: 's', text: 'h', plain: 'p' }]);
  });

  it('give up after some deadlocks with an error that says to try again', async () => {
    const failure = await inMailTransaction(uac.producer, () => Promise.reject(deadlock())).catch((error: unknown) => error);
    expect(toUacError(failure)).toMatchObject({ reason: 'UAC10011111' });
  });

  it('are not run again for any other error', async () => {
    let runs = 0;
    const failure = await inMailTransaction(uac.producer, async () => {
      runs++;
      throw new Error('a bug');
    }).catch((error: unknown) => error);
    expect(runs).toBe(1);
    expect(toUacError(failure)).toMatchObject({ reason: 'INTERNAL' });
  });

  it('whose COMMIT has no answer are not run again: a registration that committed is a success', async () => {
    const user = await uac.flowsWith({ producer: losingReplies() }).register(formOf(1), 'zh');
    expect(user.loginName).toBe('User1');
    expect(await count(uac.db, 'pc_uac_user')).toBe(1);
    expect(await uac.mails()).toHaveLength(1);
  });

  it('whose COMMIT has no answer and no row are answered as unknown', async () => {
    const lost: MailProducer = { transaction: () => Promise.reject(lostReply()) };
    await expect(uac.flowsWith({ producer: lost }).register(formOf(1), 'zh')).rejects.toMatchObject({ reason: 'UAC10011110' });
    const failure = await inMailTransaction(losingReplies(), async () => undefined).catch((error: unknown) => error);
    expect(toUacError(failure)).toMatchObject({ reason: 'UAC10011110' });
  });

  it('leave an activation whose answer was lost done: the next click says that the user is active', async () => {
    await uac.flows.register(formOf(1), 'zh');
    const token = await uac.tokenFor('User1@Example.com');
    await expect(uac.flowsWith({ producer: losingReplies() }).activate({ token, password: '', language: 'zh' })).rejects.toBeInstanceOf(
      OutcomeUnknown,
    );
    expect(await uac.activate(token)).toMatchObject({ already: true });
    expect(await uac.mails()).toHaveLength(2);
  });
});
