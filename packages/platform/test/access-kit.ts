/** A gRPC server under the rules of who may, with a log that can be looked into, and clients that say what they were answered. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ChannelCredentials, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { Status } from '@tpc/gen/google/rpc/status';
import { NotificationServiceClient, NotificationServiceService } from '@tpc/gen/opc/v1/notification_service';
import { afterEach, beforeEach } from 'vitest';
import type { Certificate } from '../../../test/support/network/certificates.ts';
import type { AccessOptions } from '../src/auth/access.ts';
import { guard, needs } from '../src/auth/rules.ts';
import { hashToken } from '../src/auth/tokens.ts';
import { type GrpcServer, serve, startGrpcServer } from '../src/grpc/grpc-server.ts';
import { readRpcStatus } from '../src/grpc/status-details.ts';
import type { CallContext } from '../src/grpc/unary.ts';
import { createLog } from '../src/log/log.ts';

export const VIEWER = 'tpc_the-token-of-a-viewer';
export const PRODUCER = 'tpc_the-token-of-a-producer';
const DEADLINE_MS = 10_000;

type Kit = {
  dir: string;
  /** Everything that was logged. */
  lines: string[];
  server: GrpcServer | undefined;
  /** Calls that reached the handler. */
  seen: CallContext[];
  /** What the handler does before it answers. */
  work: (context: CallContext) => Promise<void>;
  clients: { close(): void }[];
};

const fresh = (): Kit => ({ dir: '', lines: [], server: undefined, seen: [], work: async () => undefined, clients: [] });

/** New for each test of a file that uses it. */
export const kit: Kit = fresh();
export const file = (name: string) => join(kit.dir, name);
const log = () => createLog({ service: 'opc', level: 'trace', format: 'json' }, { write: (line) => void kit.lines.push(line) });

/** Call once in each test file. */
export function useAccessKit(): void {
  beforeEach(() => void Object.assign(kit, fresh(), { dir: mkdtempSync(join(tmpdir(), 'tpc-access-')) }));
  afterEach(async () => {
    for (const client of kit.clients) client.close();
    await kit.server?.stop();
    rmSync(kit.dir, { recursive: true, force: true });
  });
}

export const sha256 = (token: string) => hashToken(token).toString('hex');
export const viewer = (more: object = { sha256: sha256(VIEWER) }) => ({ kind: 'operator', name: 'ada', role: 'viewer', ...more });
export const producer = { kind: 'producer', group: 'PID_A', sha256: sha256(PRODUCER) };
export const writeTokens = (...entries: object[]) => writeFileSync(file('tokens.json'), JSON.stringify({ entries }));

export async function start(
  options: { host?: string; tls?: AccessOptions['tls']; tokensFile?: string | undefined; reflection?: 'token' | 'open' } = {},
): Promise<GrpcServer> {
  const { host = '127.0.0.1', tls = {}, reflection = 'token' } = options;
  const tokensFile = 'tokensFile' in options ? options.tokensFile : file('tokens.json');
  const handlers = guard(
    {
      getNotification: async (_request: unknown, context: CallContext) => {
        kit.seen.push(context);
        await kit.work(context);
        return { notification: undefined, effects: [] };
      },
      listNotifications: async () => ({ notifications: [], nextPageToken: '', searchedBackToTime: undefined }),
    },
    () => needs('viewer'),
  );
  const access = { tokensSetting: 'OPC_TOKENS_FILE', tokensFile, reflection, tls };
  const common = { host, port: 0, portSetting: 'OPC_GRPC_PORT', domain: 'opc', log: log() };
  const server = await startGrpcServer({ ...common, access, services: [serve(NotificationServiceService, handlers)] });
  server.setHealth('', true);
  kit.server = server;
  return server;
}

export const target = () => `localhost:${kit.server?.port}`;

export function open(channel: ChannelCredentials = credentials.createInsecure()): NotificationServiceClient {
  const client = new NotificationServiceClient(target(), channel);
  kit.clients.push(client);
  return client;
}

export type Answer = { code: status; reason: string; details: string };

export function call(client: NotificationServiceClient, authorization?: string): Promise<Answer> {
  const metadata = new Metadata();
  if (authorization !== undefined) metadata.set('authorization', authorization);
  return new Promise((resolve) => {
    client.getNotification({ messageKey: 'k' }, metadata, { deadline: Date.now() + DEADLINE_MS }, (error) => resolve(answerOf(error)));
  });
}

export function answerOf(error: ServiceError | null): Answer {
  if (!error) return { code: status.OK, reason: '', details: '' };
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  const reason = bytes === undefined ? '' : (readRpcStatus(Status.decode(bytes as Buffer)).info?.reason ?? '');
  return { code: error.code, reason, details: error.details };
}

export const logged = (text: string) => kit.lines.some((line) => line.includes(text));

export function writeTls(name: string, { cert, key }: Certificate): { TLS_CERT_FILE: string; TLS_KEY_FILE: string } {
  writeFileSync(file(`${name}.pem`), cert);
  writeFileSync(file(`${name}.key`), key);
  return { TLS_CERT_FILE: file(`${name}.pem`), TLS_KEY_FILE: file(`${name}.key`) };
}

export const server1 = { commonName: 'tpc', dns: ['localhost'] };
export const tlsClient = (caCert: string, own?: Certificate) =>
  open(credentials.createSsl(Buffer.from(caCert), own && Buffer.from(own.key), own && Buffer.from(own.cert)));
