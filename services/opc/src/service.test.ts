// biome-ignore-all lint/style/noExcessiveLinesPerFile: its tests share the helpers at the beginning

import { credentials, status } from '@grpc/grpc-js';
import { HealthCheckResponse_ServingStatus, HealthClient } from '@tpc/gen/grpc/health/v1/health';
import { NotificationState } from '@tpc/gen/opc/v1/notification_service';
import type { BatchReportConsumeFailureRequest } from '@tpc/gen/tpc/v1/reliable_message_service';
import { createLog, loadConfig } from '@tpc/platform';
import { afterEach, describe, expect, it } from 'vitest';
import { until } from '../../../test/support/until.ts';
import { type Catcher, smtpAnswer, startCatcher, startSmtpServer, type TestSmtpServer } from '../test/mail-servers.ts';
import { type OpcWorld, STORES, startWorld } from '../test/opc-world.ts';
import { configSchema, startOpcService } from './index.ts';

const { NOTIFICATION_STATE_RECEIVED: RECEIVED, NOTIFICATION_STATE_CONSUMED: CONSUMED, NOTIFICATION_STATE_DEAD: DEAD } = NotificationState;
const { SERVING, NOT_SERVING } = HealthCheckResponse_ServingStatus;
const email = {
  to: ['ann.lee@example.com', 'bob.ray@example.org'],
  subject: '注册用户-等待激活用户',
  text: '<p>你好 <a href="https://tpc.example/activate/1">激活</a></p>',
};

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function catcher(): Promise<Catcher> {
  const started = await startCatcher();
  undo.push(() => started.drop());
  return started;
}

async function smtp(...behaviour: Parameters<typeof startSmtpServer>): Promise<TestSmtpServer> {
  const started = await startSmtpServer(...behaviour);
  undo.push(() => started.stop());
  return started;
}

async function world(...[store, port, settings]: Parameters<typeof startWorld>): Promise<OpcWorld> {
  const started = await startWorld(store, port, settings);
  undo.push(() => started.drop());
  return started;
}

const messageIdsOf = (raws: readonly string[]) => raws.map((raw) => /^message-id: (\S+)/im.exec(raw)?.[1]);
const consumedKeys = ({ tpc }: OpcWorld) =>
  tpc.callsOf('batchConfirmConsumedMessage', 'confirmConsumedMessage').flatMap(({ request }) => JSON.stringify(request));
const failuresOf = ({ tpc }: OpcWorld) =>
  tpc.callsOf('batchReportConsumeFailure').flatMap(({ request }) => [...(request as BatchReportConsumeFailureRequest).failures]);

describe.each(STORES)('OPC on %s', (store) => {
  it('sends one mail to each recipient and reports the message consumed', async () => {
    const caught = await catcher();
    const opc = await world(store, caught.smtpPort);
    await opc.publish({ key: 'PID_UAC:1', body: { ...email, to: [...email.to, ' ANN.LEE@Example.com'] } });
    const { notification, effects } = await opc.untilState('PID_UAC:1', CONSUMED);
    const mails = await caught.mails();
    expect(mails.map(({ To }) => To[0]?.Address).sort()).toEqual(email.to);
    for (const mail of mails) {
      expect(mail).toMatchObject({ Subject: email.subject, From: { Name: 'TPC', Address: 'no-reply@tpc.example' } });
      expect(mail.HTML).toContain('你好');
      expect(mail.Text).toContain('https://tpc.example/activate/1');
      expect(mail.MessageID).toMatch(/^[0-9a-f]{40}@tpc\.example$/);
    }
    expect(new Set(mails.map(({ MessageID }) => MessageID)).size).toBe(2);
    expect(notification).toMatchObject({ topic: 'SEND_EMAIL_TOPIC', tag: 'ACTIVE_USER', generation: 1, reason: '' });
    expect(notification?.finishTime).toBeInstanceOf(Date);
    expect(effects.map(({ state, attemptCount, result }) => [state, attemptCount, result.slice(0, 4)])).toEqual(Array(2).fill([CONSUMED, 1, '250 ']));
    await until('TPC to hear of it', () => consumedKeys(opc).some((request) => request.includes('PID_UAC:1')));
  });

  it('goes on with the other recipients when one is refused, and says nothing of who it was', async () => {
    const refusing = await smtp({
      onRcptTo: ({ address }, _session, done) => done(address.startsWith('ann') ? smtpAnswer(550, `5.1.1 <${address}> ann.lee is unknown`) : null),
    });
    const opc = await world(store, refusing.port);
    await opc.publish({ key: 'k', body: { ...email, to: ['ann.lee@example.com', 'bob.ray@example.org', 'cid.poe@example.net'] } });
    const answer = await opc.untilState('k', DEAD);
    expect(refusing.recipients.sort()).toEqual(['bob.ray@example.org', 'cid.poe@example.net']);
    expect(answer.effects.map(({ state }) => state).sort()).toEqual([CONSUMED, CONSUMED, DEAD]);
    expect(answer.notification?.reason).toMatch(/^MAIL_RECIPIENT_REFUSED: .*550/);
    await until('TPC to hear of it', () => failuresOf(opc).length > 0);
    expect(failuresOf(opc)[0]).toMatchObject({ reason: 'MAIL_RECIPIENT_REFUSED', delivery: { messageKey: 'k' } });
    expect(JSON.stringify([answer, failuresOf(opc)])).not.toMatch(/ann|bob|example\.(com|org)/);
  });

  it('sends a mail again, under the same Message-ID, when the server dies in the middle of it', async () => {
    const raws: string[] = [];
    const dying: TestSmtpServer = await smtp({
      onData: (stream, _session, done) => {
        let raw = '';
        stream.on('data', (chunk: Buffer) => {
          raw += chunk.toString();
        });
        stream.on('end', () => {
          raws.push(raw);
          // The whole mail is there, and the answer never leaves.
          if (raws.length < 3) dying.cut();
          else done();
        });
      },
    });
    const opc = await world(store, dying.port);
    await opc.publish({ key: 'k', body: { ...email, to: ['ann.lee@example.com'] } });
    const { effects } = await opc.untilState('k', CONSUMED);
    expect(effects[0]?.attemptCount).toBe(3);
    expect(new Set(messageIdsOf(raws)).size).toBe(1);
    expect(raws).toHaveLength(3);
  });

  it('keeps mails while the server is away, says so, and sends them all when it is back', async () => {
    const caught = await catcher();
    const opc = await world(store, caught.smtpPort, { SMTP_CHECK_MS: '100' });
    await until('the server to be found', () => opc.service().state().smtp.connected);
    await caught.stop();
    const keys = Array.from({ length: 5 }, (_, n) => `k${n}`);
    await opc.publish(...keys.map((key) => ({ key, body: { ...email, to: ['ann.lee@example.com'] } })));
    await until('every mail to have failed twice', async () => {
      const found = await Promise.all(keys.map((key) => opc.get(key).catch(() => undefined)));
      return found.every((answer) => (answer?.effects[0]?.attemptCount ?? 0) >= 2);
    });
    expect(opc.service().state().smtp).toMatchObject({ connected: false });
    expect((await opc.get('k0')).notification?.state).toBe(RECEIVED);
    await until('health to say so', async () => (await health(opc, 'smtp')) === NOT_SERVING);
    expect(await health(opc, '')).toBe(SERVING);
    await caught.restart();
    for (const key of keys) await opc.untilState(key, CONSUMED);
    expect(await caught.mails()).toHaveLength(5);
    await until('health to say so', async () => (await health(opc, 'smtp')) === SERVING);
  });

  it('gives a mail up, with its reason, that the server puts off for longer than its life, and sends the others', async () => {
    const deferring = await smtp({
      onRcptTo: ({ address }, _session, done) => done(address.startsWith('nx') ? smtpAnswer(450, '4.1.2 Domain not found') : null),
    });
    const opc = await world(store, deferring.port, { OPC_DEFER_LIFE_MS: '400' });
    await opc.publish({ key: 'k', body: { ...email, to: ['nx@example.com', 'bob.ray@example.org'] } });
    const { notification, effects } = await opc.untilState('k', DEAD);
    expect(notification?.reason).toMatch(/^MAIL_EXPIRED: .*450 4\.1\.2 Domain not found/);
    expect(effects.map(({ state }) => state).sort()).toEqual([CONSUMED, DEAD]);
    expect(deferring.recipients).toEqual(['bob.ray@example.org']);
  });

  it('counts no outage of the server against the life of a mail, and wakes what waits as soon as the server is back', async () => {
    const caught = await catcher();
    const waits = { OPC_RETRY_FIRST_MS: '86400000', OPC_RETRY_MAX_MS: '86400000', OPC_DEFER_LIFE_MS: '10', OPC_MAX_ATTEMPTS: '1' };
    const opc = await world(store, caught.smtpPort, { ...waits, SMTP_CHECK_MS: '100' });
    await until('the server to be found', () => opc.service().state().smtp.connected);
    await caught.stop();
    const keys = ['k0', 'k1', 'k2'];
    await opc.publish(...keys.map((key) => ({ key, body: { ...email, to: ['ann.lee@example.com'] } })));
    await until('every mail to wait', async () => {
      const found = await Promise.all(keys.map((key) => opc.get(key).catch(() => undefined)));
      return found.every((answer) => answer?.notification?.attemptCount === 1);
    });
    await caught.restart();
    for (const key of keys) await opc.untilState(key, CONSUMED);
    expect(await caught.mails()).toHaveLength(3);
  });

  it('tries a recipient again that is to come later', async () => {
    let refusals = 0;
    const deferring = await smtp({ onRcptTo: (_address, _session, done) => done(refusals++ < 2 ? smtpAnswer(450, 'greylisted') : null) });
    const opc = await world(store, deferring.port);
    await opc.publish({ key: 'k', body: { ...email, to: ['ann.lee@example.com'] } });
    expect((await opc.untilState('k', CONSUMED)).effects[0]?.attemptCount).toBe(3);
    expect(deferring.raws).toHaveLength(1);
  });

  it('keeps what is refused for reasons that are ours or that pass, says which in health, and sends all of it in the end', async () => {
    let refuses = true;
    const answers: Record<string, Error> = {
      relay: smtpAnswer(554, '5.7.1 Relay access denied'),
      limit: smtpAnswer(550, '5.4.5 Daily user sending limit exceeded'),
      full: smtpAnswer(552, '5.2.2 mailbox full'),
    };
    const passing = await smtp({
      onRcptTo: ({ address }, _session, done) => done((refuses && answers[address.split('@')[0] ?? '']) || null),
      onData: (stream, { envelope }, done) => {
        const quota = envelope.rcptTo.some(({ address }) => address.startsWith('quota'));
        const answer = smtpAnswer(554, '5.7.0 The limit on the number of allowed outgoing messages was exceeded. Try again later.');
        stream.resume().on('end', () => done(refuses && quota ? answer : null));
      },
    });
    const opc = await world(store, passing.port);
    const keys = ['relay', 'limit', 'quota', 'full'];
    await opc.publish(...keys.map((key) => ({ key, body: { ...email, to: [`${key}@example.com`] } })));
    await until('every mail to have been refused', async () => {
      const found = await Promise.all(keys.map((key) => opc.get(key).catch(() => undefined)));
      return found.every((answer) => (answer?.effects[0]?.attemptCount ?? 0) >= 2);
    });
    expect(await Promise.all(keys.map(async (key) => (await opc.get(key)).notification?.state))).toEqual(keys.map(() => RECEIVED));
    await until('health to say that mails do not go out', async () => (await health(opc, 'smtp')) === NOT_SERVING);
    expect([await health(opc, 'smtp_reachable'), await health(opc, 'smtp_accepting'), await health(opc, '')]).toEqual([
      SERVING,
      NOT_SERVING,
      SERVING,
    ]);
    expect(opc.service().state().smtp.refusal).toMatch(/5\.7\.1|5\.4\.5|5\.7\.0/);
    refuses = false;
    for (const key of keys) await opc.untilState(key, CONSUMED);
    await until('health to say that they do', async () => (await health(opc, 'smtp')) === SERVING);
  });

  it('reports a bad body at once with the field that is wrong, and does not try it again', async () => {
    const caught = await catcher();
    const opc = await world(store, caught.smtpPort);
    await opc.publish(
      { key: 'no-json', body: '{"to":["secret@example.com"' },
      { key: 'bad-to', body: { ...email, to: ['ann.lee@example.com', 'secret at example.com'] } },
      { key: 'bad-subject', body: { ...email, subject: 'secret\r\nBcc: eve@example.com' } },
      { key: 'good', body: email },
    );
    const answers = await Promise.all(['no-json', 'bad-to', 'bad-subject'].map((key) => opc.untilState(key, DEAD)));
    expect(answers.map(({ notification }) => notification?.reason)).toEqual([
      'OPC10040005: body is not JSON in UTF-8',
      'OPC10040005: to[1] is not a mail address',
      'OPC10040005: subject holds a line break or another control character',
    ]);
    expect(answers.map(({ notification, effects }) => [notification?.attemptCount, effects.length])).toEqual(Array(3).fill([1, 0]));
    await opc.untilState('good', CONSUMED);
    expect(await caught.mails()).toHaveLength(2);
    await until('TPC to hear of all', () => failuresOf(opc).length >= 3);
    expect(failuresOf(opc).map(({ reason }) => reason)).toEqual(Array(3).fill('OPC10040005'));
    expect(JSON.stringify([answers, failuresOf(opc)])).not.toMatch(/secret|eve/);
  });

  it('sends nothing twice when the broker delivers twice, and a new mail for a new generation', async () => {
    const taking = await smtp();
    const opc = await world(store, taking.port);
    const message = { key: 'k', body: { ...email, to: ['ann.lee@example.com'] } };
    await opc.publish(message, message);
    await opc.untilState('k', CONSUMED);
    await opc.publish(message);
    await opc.publish({ ...message, generation: 2 });
    await until('the second generation to be done', async () => {
      const { notification } = await opc.get('k');
      return notification?.generation === 2 && notification.state === CONSUMED;
    });
    const ids = messageIdsOf(taking.raws);
    expect(ids).toHaveLength(2);
    expect(new Set(ids).size).toBe(2);
  });

  it('goes on after a restart with what was open, under the same Message-ID', async () => {
    const raws: string[] = [];
    let answer = false;
    const holding: TestSmtpServer = await smtp({
      onData: (stream, _session, done) => {
        let raw = '';
        stream.on('data', (chunk: Buffer) => {
          raw += chunk.toString();
        });
        stream.on('end', () => {
          raws.push(raw);
          if (answer) done();
          else done(smtpAnswer(451, 'later'));
        });
      },
    });
    const opc = await world(store, holding.port);
    await opc.publish({ key: 'k', body: { ...email, to: ['ann.lee@example.com'] } });
    await until('a first try', () => raws.length > 0);
    await opc.restart();
    answer = true;
    await opc.untilState('k', CONSUMED);
    expect(new Set(messageIdsOf(raws)).size).toBe(1);
  });
});

it('sends each mail once while two instances on one database contend for it', async () => {
  let open = false;
  const deferring = await smtp({ onRcptTo: (_address, _session, done) => done(open ? null : smtpAnswer(450, 'later')) });
  const opc = await world('MariaDB', deferring.port);
  const second = await startOpcService({
    config: loadConfig(configSchema, opc.env),
    log: createLog({ service: 'opc', level: 'silent', format: 'json' }),
  });
  undo.push(() => second.stop());
  await second.registered();
  const keys: string[] = [];
  await until('both instances to have got some', async () => {
    keys.push(`k${keys.length}`);
    await opc.publish({ key: `k${keys.length - 1}`, body: email });
    return keys.length >= 30 && [opc.service(), second].every((service) => service.state().counters.stored > 0);
  });
  open = true;
  for (const key of keys) await opc.untilState(key, CONSUMED);
  const ids = messageIdsOf(deferring.raws);
  expect(ids).toHaveLength(2 * keys.length);
  expect(new Set(ids).size).toBe(ids.length);
});

it('leaves a mail that hangs at a stop due, so that the next start need not wait for its lease', async () => {
  let hang = true;
  let hanging = 0;
  const raws: string[] = [];
  const server = await smtp({
    onData: (stream, _session, done) => {
      raws.push('');
      stream.on('data', (chunk: Buffer) => {
        raws[raws.length - 1] += chunk.toString();
      });
      stream.on('end', () => {
        if (hang) hanging++;
        else done();
      });
    },
  });
  const opc = await world('SQLite', server.port);
  await opc.publish({ key: 'k', body: { ...email, to: ['ann.lee@example.com'] } });
  await until('the mail to hang', () => hanging === 1);
  hang = false;
  await opc.restart();
  // Its lease would be longer than this test may take.
  await opc.untilState('k', CONSUMED);
  expect(new Set(messageIdsOf(raws)).size).toBe(1);
});

function health({ service }: OpcWorld, part: string): Promise<HealthCheckResponse_ServingStatus> {
  const client = new HealthClient(`127.0.0.1:${service().grpcPort}`, credentials.createInsecure());
  return new Promise<HealthCheckResponse_ServingStatus>((resolve, reject) => {
    client.check({ service: part }, (error, response) => {
      client.close();
      if (error && error.code !== status.NOT_FOUND) reject(error);
      else resolve(response?.status ?? HealthCheckResponse_ServingStatus.SERVICE_UNKNOWN);
    });
  });
}
