import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeTpc } from '@tpc/client/testing';
import { createLog, loadConfig } from '@tpc/platform';
import { configSchema, type UacConfig } from '../src/config.ts';
import { startUacService, type UacService } from '../src/service.ts';

/** UAC as it really starts, on SQLite in a folder of its own and a TPC in memory; may be started again on the same state. */
export type ServiceKit = {
  dir: string;
  tpc: FakeTpc;
  config(more?: Record<string, string>): UacConfig;
  /** Stops the one before, if any. */
  start(more?: Record<string, string>): Promise<UacService>;
  /** Body of the n-th message that TPC was given. */
  bodyOf(n: number): { to: string[]; subject: string; text: string; plain: string };
  /** Token in the first activation mail, once TPC sends it. */
  activationToken(): Promise<string>;
  drop(): Promise<void>;
};

export async function openServiceKit(): Promise<ServiceKit> {
  const dir = mkdtempSync(join(tmpdir(), 'tpc-uac-service-'));
  const tpc = await new FakeTpc().start();
  const log = createLog({ service: 'uac', level: 'silent', format: 'json' });
  let service: UacService | undefined;
  const stop = async () => {
    const running = service;
    service = undefined;
    await running?.stop();
  };
  const config = (more: Record<string, string> = {}) =>
    loadConfig(configSchema, {
      UAC_DATABASE_URL: `sqlite:${dir}/uac.db`,
      KEY_VALUE_URL: `sqlite:${dir}/key-value.db`,
      TPC_ADDRESS: tpc.address,
      UAC_HTTP_PORT: '0',
      UAC_GRPC_PORT: '0',
      UAC_BCRYPT_COST: '4',
      ...more,
    });
  const bodyOf = (n: number) => {
    const { data, text } = tpc.messages[n]?.content ?? {};
    return JSON.parse(text ?? Buffer.from(data ?? []).toString());
  };
  return {
    dir,
    tpc,
    config,
    bodyOf,
    async start(more) {
      await stop();
      service = await startUacService({ config: config(more), log });
      return service;
    },
    async activationToken() {
      await tpc.until(() => tpc.messages[0]?.sends === 1);
      return /\/auth\/activeUser\/([\w-]+)/.exec(bodyOf(0).plain)?.[1] ?? '';
    },
    async drop() {
      await stop();
      tpc.die();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
