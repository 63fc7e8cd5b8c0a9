import { loadConfig } from '@tpc/platform';
import { describe, expect, it } from 'vitest';
import { configSchema } from './config.ts';

describe('the configuration', () => {
  it('has a default for everything', () => {
    const config = loadConfig(configSchema, {});
    expect(config).toMatchObject({
      OPC_CONSUMER_GROUP: 'CID_OPC',
      SMTP_PORT: 1025,
      SMTP_SECURE: false,
      SMTP_FROM: { name: '', address: 'no-reply@tpc.localhost' },
    });
    expect(config.OPC_SUBSCRIPTIONS).toEqual([
      { topic: 'SEND_EMAIL_TOPIC', tags: ['FORGOT_PASSWORD_AUTH_CODE', 'ACTIVE_USER', 'ACTIVE_USER_SUCCESS', 'RESET_LOGIN_PWD'] },
    ]);
  });

  it.each([
    ['TPC 平台 <no-reply@Example.com>', { name: 'TPC 平台', address: 'no-reply@example.com' }],
    ['"Shop, Ltd." <a@example.com>', { name: 'Shop, Ltd.', address: 'a@example.com' }],
    ['a@example.com', { name: '', address: 'a@example.com' }],
  ])('reads the sender %j', (text, from) => {
    expect(loadConfig(configSchema, { SMTP_FROM: text }).SMTP_FROM).toEqual(from);
  });

  it.each([
    ['SMTP_FROM', 'nobody'],
    ['SMTP_FROM', 'A <a@example.com>, B <b@example.com>'],
    ['OPC_SUBSCRIPTIONS', 'T@'],
    ['SMTP_PORT', '70000'],
    ['SMTP_SECURE', 'yes'],
    ['BIND_HOST', '0.0.0.0'],
    ['OPC_CONSUMER_GROUP', 'CID OPC'],
  ])('refuses %s=%j and names it', (key, value) => {
    expect(() => loadConfig(configSchema, { [key]: value })).toThrow(`${key}=`);
  });
});
