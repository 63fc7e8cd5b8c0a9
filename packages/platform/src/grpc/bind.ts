import type { Server, ServerCredentials } from '@grpc/grpc-js';
import { cannotListen } from '@tpc/core';
import { StartError } from '../errors.ts';

export type ListenAddress = {
  host: string;
  /** 0: the system chooses. */
  port: number;
  /** Name of the port's setting, for the error line when it is taken. */
  portSetting: string;
};

/**
 * Lets a gRPC server listen.
 * @returns the port
 * @throws StartError naming the setting, when it cannot
 */
export function bind(server: Server, { host, port, portSetting }: ListenAddress, credentials: ServerCredentials): Promise<number> {
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, bound) => {
      if (error) reject(new StartError(cannotListen(portSetting, host, port, error), { cause: error }));
      else resolve(bound);
    });
  });
}
