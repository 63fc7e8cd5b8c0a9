import type { ConnectTpcOptions } from './connect.ts';
import { tlsCredentials } from './tls.ts';
import { tokenFromFile } from './token.ts';

/** How UAC and OPC, and whoever likes the same names, are told where TPC is; each value as it stands in the environment. */
export type TpcSettings = {
  /** Host and port, or another target of gRPC. */
  TPC_ADDRESS: string;
  TPC_TOKEN?: string | undefined;
  TPC_TOKEN_FILE?: string | undefined;
  /** TLS by the CAs that Node knows. */
  TPC_TLS?: 'true' | 'false' | undefined;
  TPC_CA_FILE?: string | undefined;
  TPC_CLIENT_CERT_FILE?: string | undefined;
  TPC_CLIENT_KEY_FILE?: string | undefined;
};

/**
 * Options of a connection from settings: the token from TPC_TOKEN_FILE (read again when it changes) or TPC_TOKEN; TLS when a file for it is named or
 * TPC_TLS is true.
 * @throws Error naming the setting that is wrong
 */
export function tpcOptionsFrom(settings: TpcSettings): ConnectTpcOptions {
  const { TPC_ADDRESS: address, TPC_TOKEN: token, TPC_TOKEN_FILE: tokenFile } = settings;
  if (token !== undefined && tokenFile !== undefined) throw new Error('TPC_TOKEN: only one of TPC_TOKEN and TPC_TOKEN_FILE may be set');
  return {
    address,
    token: tokenFile === undefined ? token : naming('TPC_TOKEN_FILE', () => tokenFromFile(tokenFile)),
    credentials: credentialsFrom(settings),
  };
}

function credentialsFrom(settings: TpcSettings): ConnectTpcOptions['credentials'] {
  const { TPC_CA_FILE: caFile, TPC_CLIENT_CERT_FILE: certFile, TPC_CLIENT_KEY_FILE: keyFile } = settings;
  const named = [caFile, certFile, keyFile].some((file) => file !== undefined);
  if (!named && settings.TPC_TLS !== 'true') return undefined;
  if (settings.TPC_TLS === 'false') throw new Error('TPC_TLS: false does not go with TPC_CA_FILE, TPC_CLIENT_CERT_FILE or TPC_CLIENT_KEY_FILE');
  return naming('TPC_CA_FILE, TPC_CLIENT_CERT_FILE, TPC_CLIENT_KEY_FILE', () => tlsCredentials({ caFile, certFile, keyFile }));
}

function naming<T>(setting: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new Error(`${setting}: ${(cause as Error).message}`, { cause });
  }
}
