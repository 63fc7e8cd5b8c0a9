import { ServerCredentials } from '@grpc/grpc-js';
import { z } from 'zod';
import { StartError } from '../errors.ts';
import type { Log } from '../log/log.ts';
import { type Authenticator, createAuthenticator, OPEN_AUTHENTICATOR } from './authenticator.ts';
import { checkMaterial, ReplaceableServerCredentials, type TlsMaterial } from './server-tls.ts';
import { createTokenTable, parseTokensFile, type TokenTable } from './tokens.ts';
import { type NamedFile, type WatchedFiles, watchFiles } from './watched-files.ts';

/** How often the files are read again, milliseconds. */
const REREAD_MS = 1_000;

/** Settings of TLS, the same for every gRPC port. */
export const tlsSettings = {
  TLS_CERT_FILE: z.string().optional().describe('Certificate of the gRPC port with its chain, PEM; read again when it changes. Empty: no TLS.'),
  TLS_KEY_FILE: z.string().optional().describe('Key of TLS_CERT_FILE, PEM without a password.'),
  TLS_CLIENT_CA_FILE: z
    .string()
    .optional()
    .describe('mTLS: CA of the client certificates, PEM. Every caller then needs one; the tokens file says whose a subject is.'),
};

/** Setting of server reflection, the same for every gRPC port. */
export const reflectionSetting = () =>
  z
    .enum(['token', 'open'], 'expected token or open')
    .default('token')
    .describe(
      'Whom server reflection (grpcurl) answers. token: callers with a token, where there is a tokens file. open: everybody who reaches the port.',
    );

/** The setting of a tokens file; see docs/security.md for what stands in it. */
export const tokensFileSetting = () =>
  z
    .string()
    .optional()
    .describe('Who may call, JSON (docs/security.md; made by `npm run tokens`); read again when it changes. Empty: everybody, on loopback only.');

export type AccessOptions = {
  /** Name of the setting of the tokens file, for lines about it. */
  tokensSetting: string;
  tokensFile: string | undefined;
  /** Whom server reflection answers. Default: who has a token. */
  reflection?: 'token' | 'open';
  tls: { TLS_CERT_FILE?: string | undefined; TLS_KEY_FILE?: string | undefined; TLS_CLIENT_CA_FILE?: string | undefined };
};

/** Who may call a server, and over which transport. */
export type Access = {
  readonly authenticator: Authenticator;
  readonly credentials: ServerCredentials;
  /** Whether client certificates are asked for. */
  readonly mutual: boolean;
  /** Whether there are files to read again. */
  readonly reloadable: boolean;
  /** Reads the files again now. */
  reload(): void;
  /** Reads no more. */
  stop(): Promise<void>;
};

/**
 * Reads tokens and certificates and keeps them fresh.
 * @throws StartError naming the setting that is wrong
 */
export function openAccess(options: AccessOptions, log: Log): Access {
  const watched: WatchedFiles<unknown>[] = [];
  const authenticator = openAuthenticator(options, log, watched);
  const credentials = openCredentials(options, log, watched);
  const reload = () => {
    for (const files of watched) files.check();
    authenticator.recheck();
  };
  const timer = watched.length > 0 ? setInterval(reload, REREAD_MS).unref() : undefined;
  return {
    authenticator,
    credentials,
    mutual: options.tls.TLS_CLIENT_CA_FILE !== undefined,
    reloadable: watched.length > 0,
    reload,
    stop: async () => clearInterval(timer),
  };
}

function openAuthenticator({ tokensSetting, tokensFile, tls }: AccessOptions, log: Log, watched: WatchedFiles<unknown>[]): Authenticator {
  const certificateRequired = tls.TLS_CLIENT_CA_FILE !== undefined;
  if (tokensFile === undefined) {
    if (!certificateRequired) return OPEN_AUTHENTICATOR;
    throw new StartError(`TLS_CLIENT_CA_FILE: needs ${tokensSetting} as well, whose entries say which group or role a certificate's subject is`);
  }
  let authenticator: Authenticator | undefined;
  const files = watchFiles<TokenTable>({
    files: [{ setting: tokensSetting, path: tokensFile }],
    parse: ([text = '']) => createTokenTable(parseTokensFile(text)),
    onChange: (table) => authenticator?.replace(table),
    log,
  });
  watched.push(files);
  authenticator = createAuthenticator({ table: files.first, certificateRequired });
  if (files.first.size === 0) log.warn({ setting: tokensSetting }, 'the tokens file has no entry: nobody may call');
  return authenticator;
}

function openCredentials({ tls }: AccessOptions, log: Log, watched: WatchedFiles<unknown>[]): ServerCredentials {
  const { TLS_CERT_FILE: cert, TLS_KEY_FILE: key, TLS_CLIENT_CA_FILE: clientCa } = tls;
  if (cert === undefined && key === undefined && clientCa === undefined) return ServerCredentials.createInsecure();
  if (cert === undefined) throw new StartError(`TLS_CERT_FILE: needed with ${key === undefined ? 'TLS_CLIENT_CA_FILE' : 'TLS_KEY_FILE'}`);
  if (key === undefined) throw new StartError('TLS_KEY_FILE: needed with TLS_CERT_FILE');
  const named: NamedFile[] = [
    { setting: 'TLS_CERT_FILE', path: cert },
    { setting: 'TLS_KEY_FILE', path: key },
    ...(clientCa === undefined ? [] : [{ setting: 'TLS_CLIENT_CA_FILE', path: clientCa }]),
  ];
  let credentials: ReplaceableServerCredentials | undefined;
  const files = watchFiles<TlsMaterial>({
    files: named,
    parse: ([certText = '', keyText = '', caText]) => {
      const material = { cert: certText, key: keyText, clientCa: caText };
      const expires = checkMaterial(material);
      if (expires.getTime() <= Date.now()) log.warn({ expires }, 'the certificate in TLS_CERT_FILE has expired: clients refuse it');
      return material;
    },
    onChange: (material) => credentials?.replace(material),
    log,
  });
  watched.push(files);
  credentials = new ReplaceableServerCredentials(files.first);
  return credentials;
}
