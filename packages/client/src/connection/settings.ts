import type { ConnectTpcOptions } from './connect.ts';
import { tlsCredentials } from './tls.ts';
import { tokenFromFile } from './token.ts';

/** How UAC and OPC, and whoever likes the same names, are told where TPC is; each value as it stands in the environment. Empty counts as absent. */
export type TpcSettings = {
  /** Host and port, or another target of gRPC. Default: 127.0.0.1:50051. */
  TPC_ADDRESS?: string | undefined;
  TPC_TOKEN?: string | undefined;
  TPC_TOKEN_FILE?: string | undefined;
  /** `true`: TLS, by the CAs that Node knows. */
  TPC_TLS?: string | undefined;
  TPC_CA_FILE?: string | undefined;
  TPC_CLIENT_CERT_FILE?: string | undefined;
  TPC_CLIENT_KEY_FILE?: string | undefined;
};

const DEFAULT_ADDRESS = '127.0.0.1:50051';

/**
 * Options of a connection from settings: the token from TPC_TOKEN_FILE (read again when it changes) or TPC_TOKEN; TLS when a file for it is named or
 * TPC_TLS is true.
 * @throws Error naming the setting that is wrong
 */
export function tpcOptionsFrom(settings: TpcSettings): ConnectTpcOptions {
  const address = settings.TPC_ADDRESS || DEFAULT_ADDRESS;
  const token = settings.TPC_TOKEN || undefined;
  const tokenFile = settings.TPC_TOKEN_FILE || undefined;
  if (token !== undefined && tokenFile !== undefined) throw new Error('TPC_TOKEN: only one of TPC_TOKEN and TPC_TOKEN_FILE may be set');
  return {
    address,
    token: tokenFile === undefined ? token : naming('TPC_TOKEN_FILE', () => tokenFromFile(tokenFile)),
    credentials: credentialsFrom(settings),
  };
}

function credentialsFrom(settings: TpcSettings): ConnectTpcOptions['credentials'] {
  const caFile = settings.TPC_CA_FILE || undefined;
  const certFile = settings.TPC_CLIENT_CERT_FILE || undefined;
  const keyFile = settings.TPC_CLIENT_KEY_FILE || undefined;
  const tls = settings.TPC_TLS || undefined;
  if (tls !== undefined && tls !== 'true' && tls !== 'false') throw new Error('TPC_TLS: expected true or false');
  const named = [caFile, certFile, keyFile].some((file) => file !== undefined);
  if (!named && tls !== 'true') return undefined;
  if (tls === 'false') throw new Error('TPC_TLS: false does not go with TPC_CA_FILE, TPC_CLIENT_CERT_FILE or TPC_CLIENT_KEY_FILE');
  return naming('TPC_CA_FILE, TPC_CLIENT_CERT_FILE, TPC_CLIENT_KEY_FILE', () => tlsCredentials({ caFile, certFile, keyFile }));
}

function naming<T>(setting: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new Error(`${setting}: ${(cause as Error).message}`, { cause });
  }
}
