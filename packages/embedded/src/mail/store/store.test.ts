import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseMail } from '../smtp/parse.ts';
import { openMailDatabase } from './database.ts';
import { createMailStore } from './store.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mail-store-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const open = (maxMessages = 100) => {
  const db = openMailDatabase(join(folder, 'mail.db'));
  return { db, store: createMailStore({ db, maxMessages }) };
};
const mail = (subject: string, text = 'text') =>
  parseMail(Buffer.from(`Subject: ${subject}\r\n\r\n${text}`), { mailFrom: 'a@example.com', rcptTo: ['b@example.com'] });

describe('the mail store', () => {
  it('keeps the newest when there are more than it may keep', async () => {
    const { store } = open(2);
    for (const subject of ['first', 'second', 'third']) await store.add(await mail(subject));
    expect(store.list({ start: 0, limit: 10 }).messages.map(({ Subject }) => Subject)).toEqual(['third', 'second']);
    await store.close();
  });

  it('deletes a mail with everything that belongs to it', async () => {
    const { db, store } = open();
    const { ID } = await store.add(await mail('gone'));
    await store.add(await mail('stays'));
    expect(store.remove([ID, 'unknown'])).toBe(1);
    expect(store.get(ID)).toBeUndefined();
    expect(db.prepare('SELECT count(*) FROM mail_content').pluck().get()).toBe(1);
    await store.close();
  });

  it('rejects what the disk has no room for, and stores it once there is room', async () => {
    const { db, store } = open();
    db.pragma(`max_page_count = ${(db.pragma('page_count', { simple: true }) as number) + 8}`);
    const large = await mail('large', 'x'.repeat(200_000));
    const little = await mail('small');
    const [refused, small] = await Promise.allSettled([store.add(large), store.add(little)]);
    expect(refused).toMatchObject({ status: 'rejected', reason: { code: 'SQLITE_FULL' } });
    expect(small.status).toBe('fulfilled');
    expect(store.list({ start: 0, limit: 10 }).messages.map(({ Subject }) => Subject)).toEqual(['small']);
    db.pragma('max_page_count = 100000');
    await store.add(large);
    expect(store.counts().total).toBe(2);
    await store.close();
  });

  it('stores mails that come together each once, in their order', async () => {
    const { store } = open();
    const mails = await Promise.all(['1', '2', '3', '4'].map((subject) => mail(subject)));
    await Promise.all(mails.map((one) => store.add(one)));
    await store.close();
    const { store: reopened } = open();
    expect(reopened.list({ start: 0, limit: 10 }).messages.map(({ Subject }) => Subject)).toEqual(['4', '3', '2', '1']);
    await reopened.close();
  });

  it('finds Chinese text, and text in capitals by small letters', async () => {
    const { store } = open();
    await store.add(await mail('one', '等待激活用户'));
    await store.add(await mail('two', 'ÄRGER'));
    const found = (query: string) => store.list({ start: 0, limit: 10, query }).messages.map(({ Subject }) => Subject);
    expect([found('激活'), found('ärger'), found('激活 ärger'), found('')]).toEqual([['one'], ['two'], [], ['two', 'one']]);
    expect(store.list({ start: 0, limit: 10, query: '激活' })).toMatchObject({ total: 2, messages_count: 1, messages_unread: 1 });
    await store.close();
  });
});
