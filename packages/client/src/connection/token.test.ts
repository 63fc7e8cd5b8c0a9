import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeTpc } from '../testing/index.ts';
import { connectTpc, type TpcConnection, TpcError, tokenFromFile, tpcOptionsFrom } from './index.ts';

let dir: string;
let file: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tpc-token-'));
  file = join(dir, 'token');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('a token from a file', () => {
  it('is read again after a second, and the one before holds while the file is gone or empty', () => {
    let now = 0;
    writeFileSync(file, 'one\n');
    const token = tokenFromFile(file, () => now);
    writeFileSync(file, ' two \r\n');
    expect(token()).toBe('one');
    now = 1_000;
    expect(token()).toBe('two');
    writeFileSync(file, '');
    now = 2_000;
    expect(token()).toBe('two');
    rmSync(file);
    now = 3_000;
    expect(token()).toBe('two');
    writeFileSync(file, 'three');
    now = 4_000;
    expect(token()).toBe('three');
  });

  it('that is none is refused at the start, by the name of its file alone', () => {
    expect(() => tokenFromFile(file)).toThrow(/ENOENT/);
    writeFileSync(file, 'two words');
    expect(() => tokenFromFile(file)).toThrow(`${file} holds no token`);
  });
});

describe('a connection', () => {
  let fake: FakeTpc;
  let tpc: TpcConnection;
  beforeEach(async () => {
    fake = await new FakeTpc().start();
  });
  afterEach(() => {
    tpc.close();
    fake.die();
  });
  const ask = () => tpc.confirmAndSendMessage({ producerGroup: 'g', messageKey: 'k' }).catch((error: unknown) => error as TpcError);

  it('asks for the token at every call', async () => {
    const tokens = ['one', undefined, 'two'];
    tpc = connectTpc({ address: fake.address, token: () => tokens.shift() });
    for (let call = 0; call < 3; call++) await ask();
    expect(fake.calls.map(({ metadata }) => metadata.authorization)).toEqual(['Bearer one', undefined, 'Bearer two']);
  });

  it.each(['two words', 'line\r\nx-admin: yes', 'é'])('never sends %j, nor says it in the error', async (token) => {
    tpc = connectTpc({ address: fake.address, token });
    const error = await ask();
    expect(error).toBeInstanceOf(TpcError);
    expect(error).toMatchObject({ status: 'UNAUTHENTICATED', reason: 'TOKEN_UNUSABLE', retryable: false });
    expect(`${(error as Error).stack} ${JSON.stringify(error)}`).not.toContain(token);
    expect(fake.calls).toEqual([]);
  });
});

describe('settings', () => {
  const base = { TPC_ADDRESS: 'tpc:50051' };

  it('make a plain connection without token when nothing else is set', () => {
    expect(tpcOptionsFrom(base)).toEqual({ address: 'tpc:50051', token: undefined, credentials: undefined });
  });

  it('count empty values as absent, as the environment has them', () => {
    const empty = {
      TPC_ADDRESS: '',
      TPC_TOKEN: '',
      TPC_TOKEN_FILE: '',
      TPC_TLS: '',
      TPC_CA_FILE: '',
      TPC_CLIENT_CERT_FILE: '',
      TPC_CLIENT_KEY_FILE: '',
    };
    expect(tpcOptionsFrom(empty)).toEqual({ address: '127.0.0.1:50051', token: undefined, credentials: undefined });
  });

  it('take the token as it is, or from its file', () => {
    writeFileSync(file, 'secret');
    expect(tpcOptionsFrom({ ...base, TPC_TOKEN: 'a' }).token).toBe('a');
    expect((tpcOptionsFrom({ ...base, TPC_TOKEN_FILE: file }).token as () => string)()).toBe('secret');
  });

  it.each([
    [{ TPC_TOKEN: 'a', TPC_TOKEN_FILE: 'b' }, /^TPC_TOKEN: only one/],
    [{ TPC_TOKEN_FILE: '/nowhere/token' }, /^TPC_TOKEN_FILE: ENOENT/],
    [{ TPC_CA_FILE: '/nowhere/ca' }, /^TPC_CA_FILE, .*ENOENT/],
    [{ TPC_CLIENT_CERT_FILE: 'x' }, /certificate needs its key/],
    [{ TPC_TLS: 'false', TPC_CA_FILE: 'x' }, /^TPC_TLS: false does not go with/],
    [{ TPC_TLS: 'yes' }, /^TPC_TLS: expected true or false/],
  ])('%o are refused, by name', (settings, message) => {
    expect(() => tpcOptionsFrom({ ...base, ...settings })).toThrow(message);
  });

  it('TPC_TLS=true alone means the CAs that Node knows', () => {
    expect(tpcOptionsFrom({ ...base, TPC_TLS: 'true' }).credentials?._isSecure()).toBe(true);
  });
});
