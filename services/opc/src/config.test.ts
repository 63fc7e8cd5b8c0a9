import { describeConfig, loadConfig } from '@tpc/platform';
import { describe, expect, it } from 'vitest';
import { configSchema, DEFAULT_SUBSCRIPTIONS } from './config.ts';

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

  it('is described with each default as one would write it', () => {
    const rows = new Map(describeConfig(configSchema).map(({ key, defaultValue, description }) => [key, { defaultValue, description }]));
    expect(rows.get('OPC_SUBSCRIPTIONS')?.defaultValue).toBe(DEFAULT_SUBSCRIPTIONS);
    expect(rows.get('SMTP_FROM')?.defaultValue).toBe('no-reply@tpc.localhost');
    for (const { description } of rows.values()) expect(description).not.toBe('');
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
    ['SMTP_FROM', '张三@example.com'],
    ['SMTP_FROM', 'A <a@example.com>, B <b@example.com>'],
    ['OPC_SUBSCRIPTIONS', 'T@'],
    ['SMTP_PORT', '70000'],
    ['SMTP_SECURE', 'yes'],
    ['BIND_HOST', '0.0.0.0 --x'],
    ['OPC_CONSUMER_GROUP', 'CID OPC'],
  ])('refuses %s=%j and names it', (key, value) => {
    expect(() => loadConfig(configSchema, { [key]: value })).toThrow(`${key}=`);
  });
});
