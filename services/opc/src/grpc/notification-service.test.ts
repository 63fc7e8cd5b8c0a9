import { status } from '@grpc/grpc-js';
import { NotificationState } from '@tpc/gen/opc/v1/notification_service';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startSmtpServer, type TestSmtpServer } from '../../test/mail-servers.ts';
import { type OpcWorld, STORES, startWorld } from '../../test/opc-world.ts';

const { NOTIFICATION_STATE_CONSUMED: CONSUMED, NOTIFICATION_STATE_DEAD: DEAD, NOTIFICATION_STATE_UNSPECIFIED: UNSPECIFIED } = NotificationState;
const email = { to: ['ann@example.com'], subject: 'Hello', text: '<p>Hello</p>' };
const KEYS = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];

describe.each(STORES)('NotificationService on %s', (store) => {
  let smtp: TestSmtpServer;
  let opc: OpcWorld;
  beforeAll(async () => {
    smtp = await startSmtpServer();
    opc = await startWorld(store, smtp.port);
    for (const key of KEYS) await opc.publish({ key, body: key === 'c' ? 'bad' : email, tag: key === 'g' ? 'RESET_LOGIN_PWD' : 'ACTIVE_USER' });
    for (const key of KEYS) await opc.untilState(key, key === 'c' ? DEAD : CONSUMED);
  });
  afterAll(async () => {
    await opc.drop();
    await smtp.stop();
  });

  it('lists every message once, page by page, newest first, also when the service restarts between two pages', async () => {
    const seen: { key: string; at: number }[] = [];
    let pageToken = '';
    do {
      const page = await opc.list({ pageSize: 3, pageToken });
      expect(page.notifications.length).toBeLessThanOrEqual(3);
      seen.push(...page.notifications.map(({ messageKey, receiveTime }) => ({ key: messageKey, at: receiveTime?.getTime() ?? 0 })));
      pageToken = page.nextPageToken;
      await opc.restart();
    } while (pageToken !== '');
    expect(seen.map(({ key }) => key).sort()).toEqual(KEYS);
    expect(seen.map(({ at }) => at)).toEqual(seen.map(({ at }) => at).sort((a, b) => b - a));
  });

  it('ends with an empty token when the last page is full', async () => {
    const { notifications, nextPageToken } = await opc.list({ pageSize: KEYS.length });
    expect([notifications.length, nextPageToken]).toEqual([KEYS.length, '']);
  });

  it('filters by topic, tag and state together', async () => {
    const keysOf = async (filter: Parameters<OpcWorld['list']>[0]) =>
      (await opc.list(filter)).notifications.map(({ messageKey }) => messageKey).sort();
    expect(await keysOf({ states: [DEAD] })).toEqual(['c']);
    expect(await keysOf({ states: [CONSUMED, CONSUMED] })).toEqual(KEYS.filter((key) => key !== 'c'));
    expect(await keysOf({ tag: 'RESET_LOGIN_PWD' })).toEqual(['g']);
    expect(await keysOf({ tag: 'RESET_LOGIN_PWD', states: [DEAD] })).toEqual([]);
    expect(await keysOf({ topic: 'OTHER_TOPIC' })).toEqual([]);
  });

  it('lowers a page size above the maximum', async () => {
    expect((await opc.list({ pageSize: 2_000_000_000 })).notifications).toHaveLength(KEYS.length);
  });

  it('tells what became of one message', async () => {
    const { notification, effects } = await opc.get('a');
    expect(notification).toMatchObject({
      messageKey: 'a',
      generation: 1,
      state: CONSUMED,
      topic: 'SEND_EMAIL_TOPIC',
      tag: 'ACTIVE_USER',
      reason: '',
    });
    expect(effects).toEqual([expect.objectContaining({ effectKey: expect.stringMatching(/^[0-9a-f]{32}$/), state: CONSUMED, attemptCount: 1 })]);
  });

  it.each([
    ['an unknown key', () => opc.get('nobody'), status.NOT_FOUND, 'NOTIFICATION_NOT_FOUND', []],
    ['no key', () => opc.get(''), status.INVALID_ARGUMENT, 'FIELD_INVALID', ['message_key']],
    ['a key that is too long', () => opc.get('k'.repeat(161)), status.INVALID_ARGUMENT, 'FIELD_INVALID', ['message_key']],
    ['a key that cannot be one', () => opc.get('键'), status.INVALID_ARGUMENT, 'FIELD_INVALID', ['message_key']],
    ['a negative page size', () => opc.list({ pageSize: -1 }), status.INVALID_ARGUMENT, 'FIELD_INVALID', ['page_size']],
    ['a topic that is too long', () => opc.list({ topic: 't'.repeat(65) }), status.INVALID_ARGUMENT, 'FIELD_INVALID', ['topic']],
    ['a key with a line break', () => opc.get('a\nb'), status.INVALID_ARGUMENT, 'FIELD_INVALID', ['message_key']],
    ['a topic that cannot be one', () => opc.list({ topic: '主题' }), status.INVALID_ARGUMENT, 'FIELD_INVALID', ['topic']],
    ['a tag that is too long', () => opc.list({ tag: 't'.repeat(65) }), status.INVALID_ARGUMENT, 'FIELD_INVALID', ['tag']],
    ['an oversized token', () => opc.list({ pageToken: 'A'.repeat(100_000) }), status.INVALID_ARGUMENT, 'PAGE_TOKEN_INVALID', ['page_token']],
    ['a tag with a blank', () => opc.list({ tag: 'a b' }), status.INVALID_ARGUMENT, 'FIELD_INVALID', ['tag']],
    ['an unspecified state', () => opc.list({ states: [DEAD, UNSPECIFIED] }), status.INVALID_ARGUMENT, 'FIELD_INVALID', ['states[1]']],
    ['an unknown state', () => opc.list({ states: [99 as NotificationState] }), status.INVALID_ARGUMENT, 'FIELD_INVALID', ['states[0]']],
    [
      'all that is wrong at once',
      () => opc.list({ pageSize: -1, topic: 'a b', tag: 'ü', states: [99 as NotificationState, DEAD, UNSPECIFIED] }),
      status.INVALID_ARGUMENT,
      'FIELD_INVALID',
      ['page_size', 'topic', 'tag', 'states[0]', 'states[2]'],
    ],
    ['a made-up token', () => opc.list({ pageToken: 'abc' }), status.INVALID_ARGUMENT, 'PAGE_TOKEN_INVALID', ['page_token']],
  ])('answers %s by a typed status that names the field', async (_, calling, code, reason, fields) => {
    await expect(calling()).rejects.toMatchObject({ code, reason, fields });
  });

  it('says in words what is wrong, and where, to those who see the message alone', async () => {
    await expect(opc.get('')).rejects.toMatchObject({ message: expect.stringContaining('A field is not valid: message_key is required.') });
  });

  it('refuses a token with other filters', async () => {
    const { nextPageToken } = await opc.list({ pageSize: 1 });
    await expect(opc.list({ pageSize: 1, pageToken: nextPageToken, tag: 'ACTIVE_USER' })).rejects.toMatchObject({ reason: 'PAGE_TOKEN_INVALID' });
    expect((await opc.list({ pageSize: 2, pageToken: nextPageToken })).notifications).toHaveLength(2);
  });
});
