import { createConsumer } from '@tpc/client/consumer';
import { connectTpc, createProducer, migrateClientStore } from '@tpc/client/producer';
import { FakeTpc, MemoryBroker } from '@tpc/client/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formOf } from '../../services/uac/test/kit.ts';
import { openServiceKit, type ServiceKit } from '../../services/uac/test/service-kit.ts';
import { type SetServer, startSetServer, teamPool } from './support.ts';

type Answer = { code: number; result: unknown };

/** Under these, quotes, backslashes, `||` and BEGIN mean something else than the statements of services and library say. */
const SQL_MODE = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES,PIPES_AS_CONCAT,ORACLE,EMPTY_STRING_IS_NULL';

describe(`a server whose sql_mode is ${SQL_MODE}`, () => {
  let server: SetServer;
  beforeAll(async () => {
    server = await startSetServer(`--sql-mode=${SQL_MODE}`);
  });
  afterAll(() => server.stop());

  describe('under UAC', () => {
    let kit: ServiceKit;
    let port: number;
    beforeAll(async () => {
      kit = await openServiceKit();
      port = (await kit.start({ UAC_DATABASE_URL: await server.database('uac') })).httpPort;
    });
    afterAll(() => kit.drop());

    const post = async (path: string, body: object, headers: Record<string, string> = {}): Promise<Answer> => {
      const request = { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) };
      return (await (await fetch(`http://127.0.0.1:${port}${path}`, request)).json()) as Answer;
    };
    const isFree = async (validValue: string) => (await post('/auth/checkValid', { type: 'email', validValue })).result;

    it('lets nobody ask the database by a quote in a value', async () => {
      expect(await post('/auth/register', formOf(1))).toMatchObject({ code: 200 });
      const asked = ["x'||1#@example.com", "x'||0#@example.com", "x'||login_pwd/**/like/**/0x2432#@example.com"];
      for (const value of asked) expect([value, await isFree(value)]).toEqual([value, true]);
    });

    it('takes an address with a quote as it is', async () => {
      const form = { ...formOf(2), email: "o'brien@example.com" };
      expect(await post('/auth/register', form)).toMatchObject({ code: 200 });
      await kit.tpc.until(() => kit.tpc.messages.length === 2);
      expect(kit.bodyOf(1).to).toEqual(["o'brien@example.com"]);
      const login = { loginName: form.loginName, loginPwd: form.loginPwd };
      const plain = await post('/auth/form', login);
      expect(await post('/auth/form', login, { 'user-agent': 'it\'s me \\ "x"' })).toMatchObject({ code: plain.code });
    });
  });

  describe("under a team's own pool", () => {
    const fake = new FakeTpc();
    let tpc: ReturnType<typeof connectTpc>;
    let url: string;
    beforeAll(async () => {
      tpc = connectTpc({ address: (await fake.start()).address });
      url = await server.database('team');
    });
    afterAll(() => {
      tpc.close();
      fake.die();
    });

    const refused = /^sql_mode has NO_BACKSLASH_ESCAPES: [^\n]*; take it out of sql_mode, .*$/m;

    it('starts no producer, no consumer and no migration, and says why', async () => {
      const knex = teamPool(url);
      const producer = createProducer({ knex, group: 'PID_TEAM', tpc });
      const { subscribe } = new MemoryBroker();
      const handlers = { T: { handle: async () => undefined } };
      const consumer = createConsumer({ knex, group: 'CID_TEAM', tpc, subscribe, subscriptions: [{ topic: 'T', tags: [] }], handlers });
      await expect(migrateClientStore(knex)).rejects.toThrow(refused);
      await expect(producer.start()).rejects.toThrow(refused);
      await expect(producer.saveAndSend({ topic: 'T', body: 'x' })).rejects.toThrow(refused);
      await expect(consumer.start()).rejects.toThrow(refused);
      await knex.destroy();
    });

    it('works on sessions that the team has set', async () => {
      const knex = teamPool(url, "SET SESSION sql_mode = 'STRICT_TRANS_TABLES,ANSI_QUOTES,PIPES_AS_CONCAT'");
      await migrateClientStore(knex);
      const producer = createProducer({ knex, group: 'PID_TEAM', tpc });
      await producer.start();
      await producer.saveAndSend({ topic: 'T', body: 'x', headers: { name: 'o\'brien "\\"' } });
      await fake.until(() => fake.messages.length === 1);
      expect(fake.messages[0]?.content.headers).toMatchObject({ name: 'o\'brien "\\"' });
      await producer.stop(5_000);
      await knex.destroy();
    });
  });
});
