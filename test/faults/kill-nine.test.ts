import { DatabaseSync } from 'node:sqlite';
import { MessageState } from '@tpc/gen/tpc/v1/message';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ListedMail, Product } from '../support/product.ts';
import { until } from '../support/until.ts';

const KILLS = 10;
const CALLERS = 8;
const RUN_MS = { least: 1_000, most: 4_000 };

/**
 * The whole product is killed with -9 at random moments while people register, and started again each time. What committed must arrive; what
 * did not must never; what was in flight may repeat under the same Message-ID.
 */
describe('killed with -9 ten times during registrations', () => {
  let product: Product;
  const killedAt: number[] = [];
  const answered = new Set<string>();
  let attempts = 0;

  beforeAll(async () => {
    product = await Product.make({ UAC_BCRYPT_COST: '6' });
    for (let kill = 0; kill < KILLS; kill++) {
      await product.start();
      const callers = Array.from({ length: CALLERS }, () => registerUntilKilled());
      await new Promise((resolve) => setTimeout(resolve, RUN_MS.least + Math.random() * (RUN_MS.most - RUN_MS.least)));
      killedAt.push(Date.now());
      await product.end('SIGKILL');
      await Promise.all(callers);
    }
    await product.start();
    await until('every message is settled', async () => (await product.messages({ states: OPEN })).length === 0, 120_000, 250);
  }, 400_000);

  afterAll(() => product.end('SIGKILL'));

  const OPEN = [MessageState.MESSAGE_STATE_WAITING_CONFIRM, MessageState.MESSAGE_STATE_SENDING];

  async function registerUntilKilled(): Promise<void> {
    while (!product.exited) {
      const number = attempts++;
      const name = `kill${number}`;
      try {
        if ((await product.register(name, `139${String(number).padStart(8, '0')}`)) === 200) answered.add(name);
      } catch {
        if (!product.exited) continue;
        return;
      }
    }
  }

  function usersInDatabase(): Set<string> {
    const db = new DatabaseSync(`${product.dataDir}/uac.db`, { readOnly: true });
    const rows = db.prepare('SELECT login_name FROM pc_uac_user').all() as { login_name: string }[];
    db.close();
    return new Set(rows.map((row) => row.login_name));
  }

  function mailsByUser(mails: ListedMail[]): Map<string, ListedMail[]> {
    return Map.groupBy(mails, (mail) => (mail.To[0]?.Address ?? '').split('@')[0] ?? '');
  }

  it('keeps every user who was told "ok"', () => {
    const users = usersInDatabase();
    console.log(`${attempts} registrations tried, ${answered.size} answered, ${users.size} committed, ${KILLS} kills`);
    expect(users.size).toBeGreaterThan(200);
    expect([...answered].filter((name) => !users.has(name))).toEqual([]);
  });

  it('hands an activation mail to SMTP for every user that committed, and none for a user that does not exist', async () => {
    const users = usersInDatabase();
    const mails = mailsByUser(await product.mails());
    expect([...users].filter((name) => !mails.has(name))).toEqual([]);
    expect([...mails.keys()].filter((name) => !users.has(name))).toEqual([]);
  });

  it('repeats a mail only over a kill, under the same Message-ID', async () => {
    const groups = [...mailsByUser(await product.mails()).values()].filter((group) => group.length > 1);
    console.log(`${groups.length} mails were in flight at a kill and came twice`);
    for (const group of groups) {
      expect(new Set(group.map((mail) => mail.MessageID)).size).toBe(1);
      const times = group.map((mail) => Date.parse(mail.Created)).sort((a, b) => a - b);
      for (let index = 1; index < times.length; index++) {
        expect(killedAt.some((kill) => kill >= times[index - 1]! - 1_000 && kill <= times[index]!)).toBe(true);
      }
    }
  });

  it('ends with every message FINISHED, or CANCELLED where its transaction rolled back', async () => {
    const messages = await product.messages();
    const users = usersInDatabase();
    const finished = messages.filter((message) => message.state === MessageState.MESSAGE_STATE_FINISHED);
    const cancelled = messages.filter((message) => message.state === MessageState.MESSAGE_STATE_CANCELLED);
    console.log(`${finished.length} FINISHED, ${cancelled.length} CANCELLED`);
    expect(finished.length + cancelled.length).toBe(messages.length);
    expect(finished.length).toBe(users.size);
  });

  it('stops gracefully in the end', async () => {
    expect(await product.end('SIGINT')).toBe(0);
  });
});
