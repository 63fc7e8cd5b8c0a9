import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { ChannelCredentials } from '@grpc/grpc-js';

export type TlsFiles = {
  /** CA of TPC's certificate, PEM. Default: those that Node knows. */
  caFile?: string | undefined;
  /** mTLS: own certificate with its chain, and its key, PEM. */
  certFile?: string | undefined;
  keyFile?: string | undefined;
};

/** What grpc-js asks of credentials; its types are not exported. */
type ConnectorArguments = Parameters<ChannelCredentials['_createSecureConnector']>;
type Connector = ReturnType<ChannelCredentials['_createSecureConnector']>;

/**
 * TLS to TPC, for `connectTpc({ credentials: tlsCredentials({ caFile }) })`; with certFile and keyFile also mTLS. The files are read again for every new
 * connection, so certificates can be renewed without a restart; files that cannot be used then leave those before.
 * @throws Error when they cannot be used at first
 */
export function tlsCredentials(files: TlsFiles): ChannelCredentials {
  if ((files.certFile === undefined) !== (files.keyFile === undefined))
    throw new Error('a client certificate needs its key, and a key its certificate');
  return new RereadingCredentials(files);
}

class RereadingCredentials extends ChannelCredentials {
  readonly #files: TlsFiles;
  #texts = '';
  #current: ChannelCredentials;

  constructor(files: TlsFiles) {
    super();
    this.#files = files;
    this.#current = this.#read();
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  /** grpc-js makes one of them for an address, and uses it for all of its connections: so the files are looked at in `connect`. */
  override _createSecureConnector(...parameters: ConnectorArguments): Connector {
    const first = this.#current._createSecureConnector(...parameters);
    return {
      connect: (socket: Socket) =>
        this.#fresh()
          ._createSecureConnector(...parameters)
          .connect(socket),
      waitForReady: () => first.waitForReady(),
      getCallCredentials: () => first.getCallCredentials(),
      destroy: () => first.destroy(),
    };
  }

  #fresh(): ChannelCredentials {
    try {
      this.#current = this.#read();
    } catch {
      // Half written or away: what was read before may still be good, and the handshake says so when it is not.
    }
    return this.#current;
  }

  #read(): ChannelCredentials {
    const [ca, key, cert] = [this.#files.caFile, this.#files.keyFile, this.#files.certFile].map((path) =>
      path === undefined ? null : readFileSync(path),
    ) as [Buffer | null, Buffer | null, Buffer | null];
    const texts = [ca, key, cert].map(String).join('\n');
    if (texts === this.#texts) return this.#current;
    const credentials = ChannelCredentials.createSsl(ca, key, cert);
    this.#texts = texts;
    return credentials;
  }
}
